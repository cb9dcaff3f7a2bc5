"""CSV files as they come: compressed, in archives, with odd quoting, and wrong."""

import gzip
import zipfile

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from feature_platform.errors import SourceUnreadable
from feature_platform.sources import Csv


@pytest.fixture
def write(tmp_path):
    """Put text or bytes in a file and give its path."""

    def put(name, content):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return put


@pytest.fixture
def pack(tmp_path):
    """Put members in an archive and give its path."""

    def put(name, **members):
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, text in members.items():
                archive.writestr(member.replace("__", "."), text)
        return tmp_path / name

    return put


def read(path, **options):
    return Csv(path, **options).scan("orders").collect()


def refused(path, **options):
    with pytest.raises(SourceUnreadable) as raised:
        Csv(path, **options).scan("orders")
    return str(raised.value)


@pytest.mark.parametrize(
    ("text", "options", "wanted"),
    [
        ("x;y\n1;a,b\n", {"separator": ";"}, {"x": [1], "y": ["a,b"]}),
        ("x,y\nNA,-\n1,b\n", {"null_values": ["NA", "-"]}, {"x": [None, 1], "y": [None, "b"]}),
        ("x,y\n,b\n1,\n", {}, {"x": [None, 1], "y": ["b", None]}),
        ("city\nMalmö\n東京\n", {}, {"city": ["Malmö", "東京"]}),
        ("\ufeffx,y\n1,2\n", {}, {"x": [1], "y": [2]}),
        ('x,y\n"a\nb","say ""hi"""\n', {}, {"x": ["a\nb"], "y": ['say "hi"']}),
        ("x,y\r\n1,2\r\n", {}, {"x": [1], "y": [2]}),
        ("x,y\n1,2\n3\n", {}, {"x": [1, 3], "y": [2, None]}),
        ("zip\n01234\n", {"types": {"zip": pl.String}}, {"zip": ["01234"]}),
        ("x\n1\n", {"types": {"absent": pl.String}}, {"x": [1]}),
    ],
    ids=["separator", "null values", "empty", "unicode", "BOM", "quotes", "CRLF", "short line", "types", "other types"],
)
def test_a_file_is_read_as_it_is_meant(write, text, options, wanted):
    assert_frame_equal(read(write("rows.csv", text), **options), pl.DataFrame(wanted))


def test_a_header_alone_is_no_rows(write):
    assert read(write("rows.csv", "x,y\n")).to_dict(as_series=False) == {"x": [], "y": []}


def test_an_empty_file_is_refused(write):
    assert refused(write("rows.csv", "")).endswith(
        "rows.csv: empty CSV. Check separator, quoting and null_values, or give the column's type in `types`."
    )


@pytest.mark.parametrize("text", ["x,y\n1,2\n3,4,5\n", "x\nü\n".encode("latin-1")], ids=["long line", "Latin-1"])
def test_what_cannot_be_read_is_never_cut_off_silently(write, text):
    with pytest.raises((SourceUnreadable, pl.exceptions.ComputeError)):
        read(write("rows.csv", text))


def test_a_type_that_shows_late_breaks_nothing(write):
    found = read(write("rows.csv", "x,y\n" + "1,1\n" * 10_000 + "2.5,late\n"))
    assert found.schema == {"x": pl.Float64, "y": pl.String}
    assert found.row(-1) == (2.5, "late")
    assert found.height == 10_001


def test_a_gzipped_file_is_read(write):
    assert_frame_equal(read(write("rows.csv.gz", gzip.compress(b"x\n1\n"))), pl.DataFrame({"x": [1]}))


def test_a_gzipped_file_that_is_cut_short_is_refused(write):
    whole = gzip.compress("".join(f"{number * number}\n" for number in range(1000)).encode())
    assert "Source `orders` cannot be read" in refused(write("rows.csv.gz", whole[:50]))


def test_an_archive_may_hold_one_file_or_several(pack):
    one = pack("one.zip", orders__csv="x\n1\n", readme__txt="not rows")
    several = pack("several.ZIP", b__csv="x\n2\n", a__CSV="x\n1\n")
    assert read(one)["x"].to_list() == [1]
    assert read(several)["x"].to_list() == [1, 2]


def test_what_macos_adds_to_an_archive_is_no_data(tmp_path):
    with zipfile.ZipFile(tmp_path / "mac.zip", "w") as archive:
        archive.writestr("orders.csv", "x\n1\n")
        archive.writestr("__MACOSX/._orders.csv", b"\x00\x05\x16\x07")
    assert read(tmp_path / "mac.zip")["x"].to_list() == [1]


@pytest.mark.parametrize("members", [{}, {"orders__txt": "x\n1\n"}], ids=["empty", "no csv"])
def test_an_archive_without_csv_is_refused(pack, members):
    assert "the archive holds no .csv file. Name another archive." in refused(pack("none.zip", **members))


def test_an_empty_member_is_refused_by_name(pack):
    assert "rows.zip/orders.csv: empty CSV" in refused(pack("rows.zip", orders__csv=""))


@pytest.mark.parametrize("damage", ["no archive", "cut short", "a wrong byte"])
def test_a_damaged_archive_is_refused(pack, write, damage):
    whole = bytearray(pack("rows.zip", orders__csv="".join(f"{n * n}\n" for n in range(5000))).read_bytes())
    if damage == "a wrong byte":
        whole[200:400] = bytes(255 - byte for byte in whole[200:400])
    content = {"no archive": b"PK\x03\x04 nothing", "cut short": bytes(whole[:300])}.get(damage, bytes(whole))
    assert refused(write("rows.zip", content)).endswith("Check that the archive is whole and not encrypted.")


def test_a_pattern_reads_its_files_in_order_of_name(write):
    write("2024-02.csv", "x,y\n2,b\n")
    write("other.txt", "z\n")
    pattern = write("2024-01.csv", "x,y\n1,a\n").with_name("2024-*.csv")
    assert_frame_equal(read(pattern), pl.DataFrame({"x": [1, 2], "y": ["a", "b"]}))


def test_a_name_with_brackets_is_a_name(write):
    assert read(write("rows [1].csv", "x\n1\n"))["x"].to_list() == [1]


def test_the_order_of_columns_may_differ_between_files(write):
    write("b.csv", "y,x\nb,2\n")
    assert_frame_equal(
        read(write("a.csv", "x,y\n1,a\n").with_name("*.csv")), pl.DataFrame({"x": [1, 2], "y": ["a", "b"]})
    )


@pytest.mark.parametrize(
    ("second", "found"),
    [
        ("x,y\n1.5,a\n", "b.csv has x: Float64 where"),
        ("x,z\n1,a\n", "b.csv has z: String where"),
        ("x\n1\n", "b.csv has no such column where"),
    ],
)
def test_files_that_differ_are_refused_with_the_difference(write, second, found):
    write("b.csv", second)
    message = refused(write("a.csv", "x,y\n1,a\n").with_name("*.csv"))
    assert found in message
    assert "give the column's type in `types`" in message


def test_types_bring_files_that_differ_together(write):
    write("b.csv", "x\n1.5\n")
    assert read(write("a.csv", "x\n1\n").with_name("*.csv"), types={"x": pl.Float64})["x"].to_list() == [1.0, 1.5]


def test_the_fingerprint_sees_every_file_of_a_pattern(write):
    pattern = Csv(write("a.csv", "x\n1\n").with_name("*.csv"))
    before = pattern.fingerprint("orders")
    write("b.csv", "x\n2\n")
    assert pattern.fingerprint("orders") != before
