from anygen.io.json_lines import append_json_line, read_json_lines


def test_lines_are_added_and_read_in_order(tmp_path):
    path = tmp_path / "new" / "log.jsonl"
    rows = [{"text": "a\u2028b"}, {"text": "\x85é"}]
    for row in rows:
        append_json_line(path, row)
    assert list(read_json_lines(path)) == rows
    assert path.read_bytes().count(b"\n") == 2


def test_a_line_cut_anywhere_costs_no_other_line(tmp_path):
    path = tmp_path / "log.jsonl"
    append_json_line(path, {"n": 1, "text": "é"})
    whole = path.read_bytes()
    for cut in range(len(whole) + 1):
        path.write_bytes(whole + whole[:cut])
        append_json_line(path, {"n": 2})
        numbers = [row["n"] for row in read_json_lines(path)]
        assert numbers == ([1, 1, 2] if cut >= len(whole) - 1 else [1, 2])


def test_a_file_that_is_not_there_has_no_lines(tmp_path):
    assert list(read_json_lines(tmp_path / "gone")) == []
