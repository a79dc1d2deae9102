"""What every chapter offers its reader, and that its parts keep in step."""

import re
import shutil

from conftest import build_book, ROOT
import nbformat
from outputs import stored_outputs
import pytest
import yaml

BOOK = ROOT / "book"
CHAPTERS = sorted(BOOK.glob("*.ipynb"))
TEMPLATE = ROOT / "tools" / "chapter_template.ipynb"
EXERCISE = re.compile(r"```\{exercise\} .+\n:label: (\S+)")
SOLUTION = re.compile(r"```\{solution-start\} (\S+)\n:class: dropdown\n```")
FORMULA = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+)\$", re.DOTALL)
TEXT_OR_SIGN = re.compile(r"\\text\{.*?\}|\\(?!beta|mu|rho|sigma|varepsilon)[a-z]+|\bd(?=z)|T\b")
NUMBERED = "$$x = 1$$ (made-one)\n\nSee {eq}`made-one`."
GLUE = re.compile(r"\{glue:text\}`(\w+)[:`]")


@pytest.fixture(params=[*CHAPTERS, TEMPLATE], ids=lambda path: path.stem)
def chapter(request):
    return nbformat.read(request.param, as_version=4)


def words(chapter):
    return "\n".join(cell.source for cell in chapter.cells if cell.cell_type == "markdown")


def glued_names(chapter):
    return [
        output.metadata["scrapbook"]["name"]
        for _, output in stored_outputs(chapter)
        if "scrapbook" in output.get("metadata", {})
    ]


def test_a_chapter_begins_with_its_title_and_what_one_will_learn(chapter):
    first = chapter.cells[0].source
    assert first.startswith("# ")
    assert "```{admonition} What you will learn\n:class: tip\n- " in first


def test_a_chapter_asks_for_a_prediction_and_ends_with_further_reading(chapter):
    assert "```{predict}\n" in words(chapter)
    reading = chapter.cells[-1].source.partition("## Further reading\n")[2]
    assert reading.count("{cite:t}`") >= 2


def test_each_of_at_least_four_exercises_is_followed_by_its_executed_hidden_solution(chapter):
    text = words(chapter)
    exercises = EXERCISE.findall(text)
    assert len(exercises) == len(set(exercises)) >= 4
    assert SOLUTION.findall(text) == exercises
    assert text.count("```{solution-end}\n```") == len(exercises)
    executed, begins = False, "no solution"  # as the ids of the cells of a solution do
    for cell in chapter.cells:
        if cell.cell_type == "code":
            if cell.id.startswith("solution-"):
                assert cell.id.startswith(begins), f"{cell.id} stands in {begins}"
                executed |= bool(cell.outputs)
            continue
        if "```{solution-end}" in cell.source:
            assert executed, f"no executed cell before: {cell.source[:60]}"
            begins = "no solution"
        if started := SOLUTION.search(cell.source):
            executed = False
            label = re.fullmatch(
                r"ex-[^-]+-(.+)", started[1]
            )  # of ex-vanilla-shift: solution-shift
            assert label, f"expected ex-, the chapter's name, - and a word, got {started[1]}"
            begins = f"solution-{label[1]}"  # of ex-vanilla-shift: solution-shift


def test_a_chapter_quotes_every_number_that_it_glues_and_glues_every_number_that_it_quotes(chapter):
    glued = glued_names(chapter)
    assert len(glued) == len(set(glued))
    assert set(glued) == set(GLUE.findall(words(chapter)))


def test_no_line_of_text_begins_with_a_percent_sign_which_would_hide_it(chapter):
    assert not re.findall(r"^\s*%.*", words(chapter), re.MULTILINE)


def test_the_glued_names_of_two_chapters_differ():
    names = [name for path in CHAPTERS for name in glued_names(nbformat.read(path, as_version=4))]
    assert len(names) == len(set(names))


def test_a_figure_has_a_caption_of_one_sentence_and_is_referred_to_in_the_text(chapter):
    for cell in chapter.cells:
        if figure := cell.metadata.get("mystnb", {}).get("figure"):
            assert f"{{numref}}`{figure.name}`" in words(chapter)
            assert re.fullmatch(r"[A-Z].*\w\.", figure.caption), figure.caption
            assert not re.search(r"[.!?] ", figure.caption), figure.caption


def test_every_letter_of_the_formulas_stands_in_the_index_of_symbols(chapter):
    index = (BOOK / "symbols.md").read_text(encoding="utf-8")
    assert letters(words(chapter)) <= letters(index)


def letters(text):
    formulas = (shown or inline for shown, inline in FORMULA.findall(text))
    return {
        letter
        for formula in formulas
        for letter in re.findall(r"\\?[A-Za-z]+", TEXT_OR_SIGN.sub(" ", formula))
    }


def test_every_chapter_is_in_the_contents_and_introduced_on_the_first_page():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    in_contents = [chapter["file"] for chapter in toc["parts"][0]["chapters"]]
    assert sorted(in_contents) == [path.stem for path in CHAPTERS]
    index = (BOOK / "index.md").read_text()
    assert re.findall(r"^- \[.+\]\((\w+)\.ipynb\): ", index, re.MULTILINE) == in_contents


def test_a_chapter_made_from_the_template_builds_without_a_warning_and_may_number_formulas(
    tmp_path,
):
    book, toc = tmp_path / "book", tmp_path / "_toc.yml"
    shutil.copytree(BOOK, book, ignore=shutil.ignore_patterns("*.ipynb"))
    made = nbformat.reads(TEMPLATE.read_text().replace("template", "made"), as_version=4)
    made.cells.append(nbformat.v4.new_markdown_cell(NUMBERED))
    nbformat.write(made, book / "made.ipynb")
    others = [{"file": "glossary"}, {"file": "bibliography"}]  # where its links lead
    toc.write_text(yaml.safe_dump({"format": "jb-book", "root": "made", "chapters": others}))
    run, pages = build_book(tmp_path, source=book, toc=toc)
    assert run.returncode == 0, run.stderr
    page = (pages / "made.html").read_text()
    assert 'id="ex-made-ten"' in page
    assert 'id="equation-made-one" tabindex="0">\n<span class="eqno">(1)<a ' in page
    assert 'See <a class="reference internal" href="#equation-made-one">(1)</a>.' in page
