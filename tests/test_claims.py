from aehelpers.claims import CLAIMS, CONDITIONAL, FAILS, HOLDS, Verdict
from conftest import ROOT
import nbformat
from nbformat.v4 import new_code_cell, new_notebook, new_output
import numpy as np
import pytest
from verdicts import read_verdicts, VerdictError

BOOK = ROOT / "book"
CHAPTERS = {  # where readers look for the experiment on a claim
    "anatomy": "C01 C02 C03 C04 C05 C06 C07 C08 C09 C10 C11",
    "vanilla": "C12 C13 C14 C15 C19",
    "capacity": "C16 C17 C18 C32",
    "denoising": "C20 C21 C22",
    "sparse": "C24 C25 C26 C27 C28",
    "convolutional": "C23",
    "variational": "C31",
    "compression": "C29",
    "uses": "C30",
}


@pytest.mark.parametrize(
    ("findings", "outcome"),
    [((True, True), HOLDS), ((True, False), CONDITIONAL), ((False,), FAILS)],
)
def test_the_outcome_follows_from_the_findings(findings, outcome):
    assert Verdict("C01", {f"finding {i}": f for i, f in enumerate(findings)}).outcome == outcome


def test_claims_are_numbered_without_a_gap():
    assert list(CLAIMS) == [f"C{number:02}" for number in range(1, len(CLAIMS) + 1)]


def test_the_texts_say_how_many_claims_there_are():
    texts = ("README.md", "CHANGELOG.md", "book/index.md", "book/claims.md", "book/lessons.md")
    for name in texts:
        assert f"{len(CLAIMS)} claims" in (ROOT / name).read_text(), name


def test_a_finding_is_shown_with_its_answer_and_escaped():
    shown = Verdict("C02", {"1 < 2": True})._repr_html_()
    assert '<div class="verdict holds" id="C02">' in shown
    assert "1 &lt; 2" in shown


def test_an_unknown_claim_is_refused():
    with pytest.raises(
        ValueError, match=f"claim: expected one of C01 to C{len(CLAIMS)}, got 'C99'"
    ):
        Verdict("C99", {"x": True})


def test_a_finding_may_be_numpys_and_is_shown_with_yes_or_no():
    verdict = Verdict("C02", {"One is 1.": np.bool_(True), "Two is 1.": np.bool_(False)})
    assert repr(verdict).splitlines()[1:] == ["  [yes] One is 1.", "  [no] Two is 1."]
    shown = verdict._repr_html_()
    assert '<div class="verdict holds-with-a-condition"' in shown
    assert '<li><span class="yes">yes</span> One is 1.</li>' in shown
    assert '<li><span class="no">no</span> Two is 1.</li>' in shown


def test_a_verdict_without_findings_is_refused():
    with pytest.raises(ValueError, match=r"findings: expected at least one entry .* got \{\}"):
        Verdict("C01", {})


def test_a_finding_of_two_lines_is_refused_since_it_would_be_read_back_as_one():
    with pytest.raises(TypeError, match="findings: expected sentences in one line, got 'One"):
        Verdict("C01", {"One.\nTwo.": True})


def test_a_number_is_no_finding():
    with pytest.raises(TypeError, match=r"got 0\.9"):
        Verdict("C01", {"x": 0.9})


# The page of claims


def notebook(folder, name, *outputs):
    """A notebook whose cells show these texts."""
    cells = [
        new_code_cell(outputs=[new_output("execute_result", {"text/plain": text})])
        for text in outputs
    ]
    path = folder / name
    nbformat.write(new_notebook(cells=cells), path)
    return path


def test_verdicts_are_read_as_the_cells_showed_them(tmp_path):
    first = Verdict("C01", {"One is 1.": True, "Two is 1.": False})
    second = Verdict("C02", {"Two is 1.": False})
    paths = [
        notebook(tmp_path, "a.ipynb", "3.14", repr(first)),
        notebook(tmp_path, "b.ipynb", repr(second)),
    ]
    found = read_verdicts(paths)
    assert {claim: (repr(v), path) for claim, (v, path) in found.items()} == {
        "C01": (repr(first), paths[0]),
        "C02": (repr(second), paths[1]),
    }


def test_two_verdicts_on_a_claim_are_refused(tmp_path):
    text = repr(Verdict("C01", {"One is 1.": True}))
    paths = [notebook(tmp_path, name, text) for name in ("a.ipynb", "b.ipynb")]
    with pytest.raises(VerdictError, match=r"b\.ipynb: C01 is judged in a\.ipynb already"):
        read_verdicts(paths)


def test_a_verdict_that_its_findings_do_not_bear_is_refused(tmp_path):
    text = repr(Verdict("C01", {"One is 1.": True, "Two is 1.": False}))
    path = notebook(tmp_path, "a.ipynb", text.replace(" with a condition", ""))
    with pytest.raises(VerdictError, match=r"a\.ipynb: C01 holds, .* holds with a condition"):
        read_verdicts([path])


def test_each_claim_has_its_verdict_in_the_chapter_where_readers_look_for_it():
    found = read_verdicts(sorted(BOOK.glob("*.ipynb")))
    chapters = {claim: path.stem for claim, (_, path) in found.items()}
    assert chapters == {c: chapter for chapter, claims in CHAPTERS.items() for c in claims.split()}
    assert chapters.keys() == CLAIMS.keys()
