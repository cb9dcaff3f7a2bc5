"""The words of the SDK: frozen values, checked when they are made, that compute nothing."""
