"""CSV files as they come: compressed, in archives, with odd quoting, and wrong."""

import gzip
import zipfile

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from feature_platform.ground.errors import InvalidDeclaration, NoRowsYet, SourceUnreadable
from feature_platform.parts.sources import Csv


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


def test_headers_alone_do_not_decide_on_types(write):
    with pytest.raises(NoRowsYet, match=r"no rows.*give the type of each column in `types`: x, y\."):
        Csv(write("rows.csv", "x,y\n")).scan("orders")
    typed = read(write("rows.csv", "x,y\n"), types={"x": pl.Int64, "y": pl.String})
    assert typed.schema == {"x": pl.Int64, "y": pl.String}
    assert typed.is_empty()


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
    assert_frame_equal(read(write("rows.csv.gz", gzip.compress(b"x\n1\n", mtime=0))), pl.DataFrame({"x": [1]}))


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
    ("second", "found", "remedy"),
    [
        ("x,y\n1.5,a\n", "b.csv has x: Float64 where", "give the column's type in `types`"),
        ("x,z\n1,a\n", "b.csv has no such column where", "Add the column to the file"),
        ("x\n1\n", "b.csv has no such column where", "Add the column to the file"),
    ],
)
def test_files_that_differ_are_refused_with_the_difference(write, second, found, remedy):
    write("b.csv", second)
    message = refused(write("a.csv", "x,y\n1,a\n").with_name("*.csv"))
    assert found in message
    assert remedy in message


@pytest.mark.parametrize("first", ["x,y\n", "x,y\n1,\n1,\n", "x,y\n,\n"], ids=["header", "no value", "no values"])
def test_a_first_file_without_values_does_not_decide_on_types(write, first):
    write("b.csv", "x,y\n1,2.5\n")
    found = read(write("a.csv", first).with_name("*.csv"))
    assert found.schema == {"x": pl.Int64, "y": pl.Float64}
    assert found.row(-1) == (1, 2.5)


def test_of_several_files_all_must_be_without_values_to_take_another_type(write):
    write("b.csv", "x\n0123a\n")
    write("c.csv", "x\n1\n")
    assert "c.csv has x: Int64 where" in refused(write("a.csv", "x\n").with_name("*.csv"))


def test_a_column_that_a_later_file_adds_is_null_before(write):
    write("b.csv", "y,x\nb,2\n")
    write("c.csv", "x,z,y\n3,0.5,c\n")
    pattern = write("a.csv", "x\n1\n").with_name("*.csv")
    wanted = pl.DataFrame({"x": [1, 2, 3], "y": [None, "b", "c"], "z": [None, None, 0.5]})
    assert_frame_equal(read(pattern), wanted)
    assert "b.csv has y: String where" in refused(pattern, new_columns="refuse")
    with pytest.raises(InvalidDeclaration, match=r'has new_columns=True. Write "add" or "refuse"\.'):
        Csv(pattern, new_columns=True)  # type: ignore[arg-type]


LEFTOVERS = ["orders.csv~", "orders.csv.bak", "orders.csv.part", "orders.csv.tmp", "_orders.csv", ".orders.csv"]


@pytest.mark.parametrize("place", ["", "*", "orders*"], ids=["folder", "all", "pattern"])
def test_what_editors_and_downloads_leave_is_no_data(tmp_path, write, place):
    write("orders.csv", "x\n1\n")
    for name in (*LEFTOVERS, "_temporary/orders.csv"):
        write(name, "x\n7\n")
    assert read(tmp_path / place)["x"].to_list() == [1]
    before = Csv(tmp_path / place).fingerprint("orders")
    write("orders.csv~", "x\n8\n")
    assert Csv(tmp_path / place).fingerprint("orders") == before


def test_a_pattern_that_asks_for_an_ending_gets_it(tmp_path, write):
    write("orders.csv.bak", "x\n1\n")
    assert read(tmp_path / "*.bak")["x"].to_list() == [1]


def test_a_folder_without_data_says_which_names_count(tmp_path, write):
    write("orders.txt", "x\n1\n")
    message = refused(tmp_path)
    assert "no file in the folder has a name that ends in .csv, " in message
    assert f"`{tmp_path}/*` takes files of any name" in message
    assert read(tmp_path / "*")["x"].to_list() == [1]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"<!DOCTYPE html>\n<html><body>Sign in</body></html>\n", "a page of HTML or XML"),
        (b"\n\n  <html>\n<p>502</p>\n", "a page of HTML or XML"),
        (b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>\n', "a page of HTML or XML"),
        (gzip.compress(b"<html>\n<p>502</p>\n", mtime=0), "a page of HTML or XML"),
        (b'{"error":"not found"}', "by its first line"),
        (b"PK\x03\x04\x14\x00\x06\x00 a workbook\n", "by its first line"),
        (b"a,b\r1,2\r3,4\r", "its lines end in a carriage return alone"),
        ("a,b\n1,2\n".encode("utf-16"), "UTF-16"),
        ("a,b\n1,2\n".encode("utf-16-le"), "UTF-16"),
        ("a,b\n1,2\n".encode("utf-16-be"), "UTF-16"),
    ],
)
def test_what_is_no_csv_is_refused_by_what_it_is(write, content, found):
    write("b.csv", content)
    message = refused(write("a.csv", "a,b\n1,2\n").with_name("*.csv"))
    assert found in message
    assert "b.csv: it" in message


@pytest.mark.parametrize("ending", ["\r\n", "\n"])
def test_a_carriage_return_in_a_value_is_a_value(write, ending):
    text = ending.join(["a,c", '"x\ry",2', ""])
    assert read(write("rows.csv", text)).row(0) == ("x\ry", 2)


def test_types_bring_files_that_differ_together(write):
    write("b.csv", "x\n1.5\n")
    assert read(write("a.csv", "x\n1\n").with_name("*.csv"), types={"x": pl.Float64})["x"].to_list() == [1.0, 1.5]


def test_the_fingerprint_sees_every_file_of_a_pattern(write):
    pattern = Csv(write("a.csv", "x\n1\n").with_name("*.csv"))
    before = pattern.fingerprint("orders")
    write("b.csv", "x\n2\n")
    assert pattern.fingerprint("orders") != before
