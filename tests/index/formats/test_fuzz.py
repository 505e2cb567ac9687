from tests.index.formats.fuzz import FILES, fuzz


def test_mutated_files_are_read_or_refused(tmp_path):
    outcomes = fuzz(60, 5, tmp_path)
    assert outcomes.total() == 60
    assert all(outcomes[f"{name} read"] for name in FILES)
    assert outcomes["pdf refused"] + outcomes["docx refused"] > 0
