"""Sphinx extension that collects the verdicts which the chapters' cells have shown.

The directive ``verdicts`` lists all claims with verdict, findings and a link to the experiment; the
role ``verdicts`` counts them: {verdicts}`holds` gives how many hold. The role ``claim`` links to a
verdict and marks its outcome: {claim}`C12`.
"""

from pathlib import Path
import re

from aehelpers.claims import CLAIMS, CONDITIONAL, FAILS, HOLDS, Verdict
from docutils import nodes
import nbformat
from outputs import stored_outputs
from sphinx.errors import SphinxError
from sphinx.util.docutils import SphinxDirective, SphinxRole

_FIRST_LINE = re.compile(rf"(C\d\d) ({HOLDS}|{CONDITIONAL}|{FAILS}): ")
_FINDING = re.compile(r"  \[(yes|no)\] (.*)")


class VerdictError(SphinxError):
    """A claim without a verdict, with two, or with one that its findings do not bear; names it."""

    category = "Verdict error"


def setup(app):
    """Offer the directive and the roles."""
    app.add_directive("verdicts", VerdictsDirective)
    app.add_role("verdicts", VerdictsRole())
    app.add_role("claim", ClaimRole())
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def read_verdicts(notebooks):
    """Collect the verdicts from the notebooks' stored outputs.

    Parameters
    ----------
    notebooks : iterable of Path

    Returns
    -------
    dict of str to (Verdict, Path)
        By claim: its verdict, and the notebook that shows it.

    Raises
    ------
    VerdictError
        If two cells judge the same claim, or a verdict is not what its findings say.
    """
    found = {}
    for path in notebooks:
        for verdict in _stored_verdicts(path):
            if verdict.claim in found:
                other = found[verdict.claim][1].name
                raise VerdictError(f"{path.name}: {verdict.claim} is judged in {other} already")
            found[verdict.claim] = verdict, path
    return found


def _stored_verdicts(path):
    for _, output in stored_outputs(nbformat.read(path, as_version=4)):
        text = output.get("data", {}).get("text/plain", "")
        if match := _FIRST_LINE.match(text):
            findings = {s: answer == "yes" for answer, s in _FINDING.findall(text)}
            verdict = Verdict(match[1], findings)
            if verdict.outcome != match[2]:
                raise VerdictError(
                    f"{path.name}: {match[1]} {match[2]}, say the stored outputs, but their "
                    f"findings make it: {verdict.outcome}"
                )
            yield verdict


def _verdicts_of_the_book(env):
    if "verdicts" not in env.temp_data:  # a page asks several times
        notebooks = sorted(Path(env.srcdir).glob("*.ipynb"))
        for notebook in notebooks:
            env.note_dependency(notebook)
        found = read_verdicts(notebooks)
        if missing := CLAIMS.keys() - found.keys():
            raise VerdictError(f"no notebook judges {', '.join(sorted(missing))}")
        env.temp_data["verdicts"] = found
    return env.temp_data["verdicts"]


class VerdictsRole(SphinxRole):
    """How many verdicts have this outcome."""

    def run(self):
        """Count the verdicts."""
        found = _verdicts_of_the_book(self.env)
        outcomes = [verdict.outcome for verdict, _ in found.values()]
        if self.text not in (HOLDS, CONDITIONAL, FAILS):
            raise VerdictError(f"{self.text!r} is no outcome")
        return [nodes.Text(str(outcomes.count(self.text)))], []


class ClaimRole(SphinxRole):
    """A link to the verdict on a claim, with a sign for its outcome."""

    def run(self):
        """Make the link."""
        found = _verdicts_of_the_book(self.env)
        if self.text not in found:
            raise VerdictError(f"claim: expected one of C01 to C{len(CLAIMS)}, got {self.text!r}")
        verdict, notebook = found[self.text]
        words = f"{self.text} {verdict.outcome}: {CLAIMS[self.text]}"
        link = _link(self.text, verdict, notebook, reftitle=words)
        link["classes"] += ["claim", _class_of(verdict)]
        return [link], []


class VerdictsDirective(SphinxDirective):
    """All claims in their order, each in a box as in its chapter."""

    def run(self):
        """Make the boxes."""
        found = _verdicts_of_the_book(self.env)
        return [self._box(claim, *found[claim]) for claim in CLAIMS]

    def _box(self, claim, verdict, notebook):
        title = nodes.paragraph("", "", nodes.strong(text=f"{claim} {verdict.outcome}."))
        title += nodes.Text(f" {CLAIMS[claim]} ")
        box = nodes.container("", title, classes=["verdict", _class_of(verdict)])
        title += _link("See the experiment.", verdict, notebook)
        findings = nodes.bullet_list()
        for sentence, holds in verdict.findings.items():
            answer = "yes" if holds else "no"
            mark = nodes.inline(text=answer, classes=[answer])
            findings += nodes.list_item(
                "", nodes.paragraph("", "", mark, nodes.inline(text=sentence))
            )
        box += findings
        return box


def _link(text, verdict, notebook, **attributes):
    target = f"{notebook.stem}.html#{verdict.claim}"
    return nodes.reference("", text, refuri=target, internal=True, **attributes)


def _class_of(verdict):
    return verdict.outcome.replace(" ", "-")
