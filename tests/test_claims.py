from aehelpers.claims import CLAIMS, CONDITIONAL, FAILS, HOLDS, Verdict
import pytest


@pytest.mark.parametrize(
    ("findings", "outcome"),
    [((True, True), HOLDS), ((True, False), CONDITIONAL), ((False,), FAILS)],
)
def test_the_outcome_follows_from_the_findings(findings, outcome):
    assert Verdict("C01", {f"finding {i}": f for i, f in enumerate(findings)}).outcome == outcome


def test_there_are_32_claims_numbered_without_a_gap():
    assert list(CLAIMS) == [f"C{number:02}" for number in range(1, 33)]


def test_a_finding_is_shown_with_its_answer_and_escaped():
    shown = Verdict("C02", {"1 < 2": True})._repr_html_()
    assert "verdict holds" in shown
    assert "1 &lt; 2" in shown


def test_an_unknown_claim_is_refused():
    with pytest.raises(ValueError, match="claim: expected one of C01 to C32, got 'C99'"):
        Verdict("C99", {"x": True})


def test_a_number_is_no_finding():
    with pytest.raises(TypeError, match=r"got 0\.9"):
        Verdict("C01", {"x": 0.9})
