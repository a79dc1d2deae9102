"""A pytest plugin that makes nbval compare every output: texts, the numbers in them, pictures.

nbval runs the cells. This plugin adds tolerances that a cell's metadata names, compares pictures,
and lets neither a stripped notebook nor an unexplained exception pass.
"""

from collections import defaultdict
import difflib

from nbval.plugin import IPyNbCell, IPyNbFile, NbCellError
from outputs import decode_picture, is_picture, parts, picture_distances, split_numbers, Tolerance
from PIL import Image
import pytest

_MOST_LINES = 20  # of a difference are printed
_LONGEST_LINE = 200


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path, parent):
    """Put our notebooks in the place of nbval's."""
    return [
        Notebook.from_parent(parent, path=file_path) if isinstance(found, IPyNbFile) else found
        for found in (yield)
    ]


class Notebook(IPyNbFile):
    """A notebook whose cells are tests."""

    def collect(self):
        """Yield a `Cell` for each of nbval's."""
        for cell in super().collect():
            yield Cell.from_parent(
                self,
                name=cell.name,
                cell_num=cell.cell_num,
                cell=cell.cell,
                options=cell.options,
            )

    def setup(self):
        """Start a kernel, unless the notebook needs data that this machine lacks."""
        if self.nb.metadata.get("needs_full_mnist"):
            from aehelpers.data import full_mnist_available, MNIST_VARIABLE

            if not full_mnist_available():
                pytest.skip(
                    f"it needs all of MNIST: name an mnist.npz in the environment variable "
                    f"{MNIST_VARIABLE}, or load it once with load_mnist('full')"
                )
        self.displays = {}  # display id -> the latest message about it
        super().setup()

    def get_kernel_message(self, timeout=None, stream="iopub"):
        """Pass a message on, keeping the updates of displays, which nbval leaves out."""
        message = super().get_kernel_message(timeout, stream)
        content = message["content"]
        display_id = content.get("transient", {}).get("display_id")
        if display_id:
            self.displays[display_id] = {
                "data": content["data"],
                "metadata": dict(content["metadata"]),
            }
            content["metadata"]["display_id"] = display_id
        return message


class Cell(IPyNbCell):
    """A code cell: passes if it runs and its outputs agree with the stored ones."""

    def runtest(self):
        """Run the cell, unless its metadata or its stored state make a check pointless."""
        try:
            self.tolerance = Tolerance.from_metadata(self.cell.metadata)
        except ValueError as error:
            self.raise_cell_error(str(error))
        self._justify_exception()
        if self.cell.execution_count is None and not self.options["skip"]:
            self.raise_cell_error(
                "has never been run: no execution count is stored. tools/refresh.py runs the "
                "notebook; an empty cell has to go."
            )
        super().runtest()

    def _justify_exception(self):
        granted = {
            "not run": self.options["skip"],
            "outputs not compared": not self.options["check"],
            "may raise": self.options["check_exception"],
        }
        granted = ", ".join(name for name, is_granted in granted.items() if is_granted)
        if not granted:
            return
        reason = self.cell.metadata.get("reason")
        if not isinstance(reason, str) or not reason.strip():
            self.raise_cell_error(f"{granted}: the cell's metadata has to name a reason for that")
        self.user_properties.append(("exception", f"{self.nodeid}: {granted}: {reason}"))

    def compare_outputs(self, test, ref, skip_compare=None):
        """Raise an error if the run's outputs `test` differ from the stored `ref`."""
        for output in test:
            display_id = output.get("metadata", {}).pop("display_id", None)
            output.update(self.parent.displays.get(display_id, {}))
        stored, new = parts(ref), parts(test)
        complaints = [
            f"{place}: {complaint}"
            for place in stored | new
            if (complaint := self._compare(place, stored.get(place), new.get(place)))
        ]
        if complaints:
            self.raise_cell_error("\n".join(complaints))
        return True

    def _compare(self, place, stored, new):
        if stored is None:
            return "comes from the run, but is not stored" + _difference("", new)
        if new is None:
            return "is stored, but does not come from the run" + _difference(stored, "")
        if is_picture(place):
            return self._compare_pictures(place, decode_picture(stored), decode_picture(new))
        return compare_texts(stored, new, self.tolerance)

    def _compare_pictures(self, place, stored, new):
        try:
            distances = picture_distances(stored, new)
        except ValueError as error:
            complaint = str(error)
        else:
            complaint = "; ".join(
                f"{kind}: {distance:.3g} apart; allowed: {limit}"
                for kind, distance in distances.items()
                if distance > (limit := getattr(self.tolerance, kind))
            )
            if not complaint:
                return None
        output = place.rpartition(", ")[0].replace(",", "")
        name = f"{self.path.stem} In {self.cell.execution_count} {output}".replace(" ", "_")
        folder = self.config.rootpath / "_build" / "failed_pictures" / name
        _write_pictures(folder, stored, new)
        return f"{complaint}; see {folder}"

    def repr_failure(self, excinfo):
        """Say first what is wrong, since pytest's summary shows the beginning."""
        error = excinfo.value
        if not isinstance(error, NbCellError):
            return super(IPyNbCell, self).repr_failure(excinfo)
        where = f"{self.nodeid}, In [{self.cell.execution_count or ' '}]:"
        return "\n\n".join([str(error), where, error.source, error.inner_traceback or ""])


def compare_texts(stored, new, tolerance):
    """Compare two texts exactly, but the numbers in them with a tolerance.

    Parameters
    ----------
    stored, new : str
    tolerance : Tolerance

    Returns
    -------
    str or None
        What is wrong, with the lines that differ; None if the texts agree.
    """
    if stored == new:
        return None
    (stored_words, stored_numbers), (words, numbers) = split_numbers(stored), split_numbers(new)
    if words != stored_words:
        return "the words differ" + _difference(stored, new)

    def excess(pair):
        return abs(pair[1] - pair[0]) - tolerance.allowed(pair[0])

    was, now = max(zip(stored_numbers, numbers, strict=True), key=excess)
    if excess((was, now)) <= 0 and (tolerance.absolute or tolerance.relative):
        return None
    allowed = tolerance.allowed(was).normalize()
    return (
        f"largest deviation: {was} became {now}, off by {abs(now - was)}; allowed: {allowed:f}"
        + _difference(stored, new)
    )


def _difference(stored, new):
    lines = [
        line[0] + " " + repr(line[1:])[:_LONGEST_LINE]
        for line in difflib.unified_diff(stored.splitlines(True), new.splitlines(True), n=0)
        if not line.startswith(("---", "+++", "@@"))
    ]
    more = [f"... and {len(lines) - _MOST_LINES} lines more"] if len(lines) > _MOST_LINES else []
    return "\n  ".join(["", "- stored, + new:", *lines[:_MOST_LINES], *more])


def _write_pictures(folder, stored, new):
    both = Image.new("RGBA", (stored.width + new.width, max(stored.height, new.height)))
    both.paste(stored, (0, 0))
    both.paste(new, (stored.width, 0))
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in {"stored": stored, "new": new, "side_by_side": both}.items():
        picture.save(folder / f"{name}.png")


def pytest_terminal_summary(terminalreporter):
    """Print the seconds that each notebook took, and the exceptions that its cells claim."""
    reports = [
        report
        for group in terminalreporter.stats.values()
        for report in group
        if isinstance(report, pytest.TestReport) and ".ipynb::" in report.nodeid
    ]
    if not reports:
        return
    seconds = defaultdict(float)
    for report in reports:
        seconds[report.nodeid.partition("::")[0]] += report.duration
    terminalreporter.section("notebooks")
    for notebook in sorted(seconds, key=seconds.get, reverse=True):
        terminalreporter.line(f"{seconds[notebook]:7.1f} s  {notebook}")
    exceptions = sorted(
        reason
        for report in reports
        if report.when == "call"
        for name, reason in report.user_properties
        if name == "exception"
    )
    not_run = {
        (report.nodeid.partition("::")[0], report.longrepr[2].removeprefix("Skipped: "))
        for report in reports
        if report.skipped and report.when == "setup"
    }
    for notebook, reason in sorted(not_run):
        terminalreporter.line(f" not run   {notebook}: {reason}")
    terminalreporter.line(f"cells that are not fully checked: {len(exceptions)}")
    for exception in exceptions:
        terminalreporter.line(f"  {exception}")
