"""Texts: their tables, their words and ids, and what can be wrong with them."""

import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from made import write_tree
from nodal import datasets
from nodal.datasets import words
from nodal.datasets.inputs import Inputs
from nodal.errors import NodalError

SETTINGS = {
    "source": "text", "length": 10, "min_count": 2,
    "columns": {"text": "text", "label": "label", "split": None},
}  # fmt: skip
ROWS = [
    ("what is my balance", "money", "train"),
    ("my balance, please!", "money", "train"),
    ("play a song", "music", "train"),
    ("Play my song", "music", "train"),
    ("a new balance", "money", "test"),
    ("play the very longest song of all the songs that there are", "music", "test"),
    ("balance my song", "music", "val"),
    ("my balance is", "money", "val"),
]


def csv(path, rows=ROWS, delimiter=",", header=("text", "label", "split")):
    quoted = ['"{}"'.format(f'"{delimiter}"'.join(row)) for row in (header, *rows)]
    path.write_text("\n".join(quoted) + "\n")
    return path


def prepare(tmp_path, files, said=None, **changes):
    settings = {**SETTINGS, **changes}
    path = tmp_path / "out.h5"
    datasets.prepare(path, "t", settings, files, (said if said is not None else []).append)
    return datasets.load(path)


def columns(**changes):
    return {"columns": {**SETTINGS["columns"], **changes}}


SPLIT = columns(split="split")


def spelled(dataset, split):
    """The stored ids as words again, padding left out."""
    rows = getattr(dataset, split).inputs
    return [" ".join(dataset.vocabulary[i] for i in row if i) for row in rows]


def test_ids_are_those_of_the_training_words(tmp_path):
    dataset = prepare(tmp_path, {"data": csv(tmp_path / "a.csv")}, **SPLIT)
    counts = Counter(
        [
            "what",
            "is",
            "my",
            "balance",
            "my",
            "balance",
            "please",
            "play",
            "a",
            "song",
            "play",
            "my",
            "song",
        ]
    )
    kept = sorted((w for w in counts if counts[w] > 1), key=lambda w: (-counts[w], w))
    assert dataset.vocabulary == ["<padding>", "<rare>", *kept]
    assert dataset.inputs == Inputs("text", (2 + len(kept), 10))
    assert dataset.train.inputs.dtype == np.int32
    assert spelled(dataset, "train") == [
        "<rare> <rare> my balance", "my balance <rare>", "play <rare> song", "play my song"
    ]  # fmt: skip
    assert spelled(dataset, "test")[0] == "<rare> <rare> balance"
    assert dataset.label_names == ["money", "music"]
    assert dataset.train.labels.tolist() == [0, 0, 1, 1]
    assert dataset.train.texts == [row[0] for row in ROWS[:4]]


def test_what_is_cut_and_what_is_not_used_is_said(tmp_path):
    said = []
    dataset = prepare(tmp_path, {"data": csv(tmp_path / "a.csv")}, said, length=4, **SPLIT)
    assert dataset.inputs.shape[1] == 4
    assert spelled(dataset, "test")[1] == "play <rare> <rare> <rare>"
    said = "\n".join(said)
    assert "test: 1 of 2 texts are longer than 4 and cut" in said
    assert "2 texts of val are not used" in said


def test_a_short_longest_text_makes_a_short_frame(tmp_path):
    rows = [*ROWS[:5], ("a short song", "music", "test")]
    dataset = prepare(tmp_path, {"data": csv(tmp_path / "a.csv", rows)}, **SPLIT)
    assert dataset.inputs.shape[1] == 4


@pytest.mark.parametrize(
    ("choice", "train", "test"),
    [({}, 4, ROWS[4:6]), ({"train": "trainval"}, 6, ROWS[4:6]), ({"test": "val"}, 4, ROWS[6:])],
)
def test_three_parts_are_chosen_from(tmp_path, choice, train, test):
    dataset = prepare(tmp_path, {"data": csv(tmp_path / "a.csv")}, **SPLIT, **choice)
    assert len(dataset.train.labels) == train
    assert dataset.test.texts == [row[0] for row in test]


def json_lines(path, rows=ROWS):
    lines = (json.dumps({"text": t, "label": label, "split": s}) for t, label, s in rows)
    path.write_text("\n".join(lines))
    return path


def test_every_kind_of_table_gives_the_same(tmp_path):
    made = [
        prepare(tmp_path, {"data": csv(tmp_path / "a.csv")}, **SPLIT),
        prepare(tmp_path, {"data": csv(tmp_path / "a.tsv", delimiter="\t")}, **SPLIT),
        prepare(tmp_path, {"data": json_lines(tmp_path / "a.jsonl")}, **SPLIT),
        prepare(
            tmp_path,
            {"data": csv(tmp_path / "b.csv", ROWS[:4]), "test": csv(tmp_path / "c.csv", ROWS[4:6])},
        ),
    ]
    for other in made[1:]:
        assert other.vocabulary == made[0].vocabulary
        np.testing.assert_array_equal(other.test.inputs, made[0].test.inputs)
        np.testing.assert_array_equal(other.train.labels, made[0].train.labels)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (("007", "1e5"), ["007", "1e5"]),
        (("NA", "nan"), ["NA", "nan"]),
        (("10", "9"), ["9", "10"]),
        (("ÄÖ", "日本"), ["ÄÖ", "日本"]),
    ],
)
def test_labels_stay_what_they_are(tmp_path, labels, expected):
    rows = [
        (f"word number {i}", label, s) for label in labels for i, s in enumerate(("train", "test"))
    ]
    dataset = prepare(tmp_path, {"data": csv(tmp_path / "a.csv", rows)}, **SPLIT)
    assert dataset.label_names == expected


def test_a_share_is_held_out_of_each_label(tmp_path):
    rows = [(f"w{i} x", label, "") for label in ("a", "b") for i in range(10)]
    path = csv(tmp_path / "a.csv", rows)
    first = prepare(tmp_path, {"data": path}, test_share=0.3, test_seed=0)
    again = prepare(tmp_path, {"data": path}, test_share=0.3, test_seed=0)
    other = prepare(tmp_path, {"data": path}, test_share=0.3, test_seed=1)
    assert np.bincount(first.test.labels).tolist() == [3, 3]
    assert not set(zip(first.train.texts, first.train.labels, strict=True)) & set(
        zip(first.test.texts, first.test.labels, strict=True)
    )
    assert first.test.texts == again.test.texts != other.test.texts


@pytest.mark.parametrize(
    ("rows", "changes", "message"),
    [
        (ROWS, columns(text="body"), r"line 2: no column 'body'; found: text, label, split"),
        (ROWS, columns(label="lable"), "no column 'lable'; did you mean 'label'"),
        ([*ROWS, ("", "money", "train")], SPLIT, r"line 10: column 'text' is ''; expected text"),
        ([*ROWS, ("?!", "money", "train")], SPLIT, r"line 10: no word in the text '\?!'"),
        ([*ROWS, ("hi", "", "train")], SPLIT, "line 10: column 'label' is ''"),
        ([*ROWS, ("hi", "money", "dev")], SPLIT, "line 10: unknown split 'dev'; expected one of"),
        ([*ROWS, ("hi", "new", "train")], SPLIT, "label 'new' has texts in train but none in test"),
        ([*ROWS, ("hi", "new", "test")], SPLIT, "label 'new' has texts in test but none in train"),
        (ROWS, {}, r"no test part; expected train/ and test/ .*dataset.test_share"),
        (ROWS[:3], {"test_share": 0.5}, "label 'music' has one of the texts; dataset.test_share"),
        (ROWS, {**SPLIT, "test_share": 0.5}, "test_share: the data has parts of its own"),
        (ROWS[:6], {**SPLIT, "train": "trainval"}, "has no val part; found test, train"),
        (ROWS, {**SPLIT, "train": "trainval", "test": "val"}, "trainval with val as the test"),
        ([], SPLIT, "no text in it"),
    ],
)
def test_what_is_wrong_in_a_table_is_named(tmp_path, rows, changes, message):
    with pytest.raises(NodalError, match=message) as caught:
        prepare(tmp_path, {"data": csv(tmp_path / "a.csv", rows)}, **changes)
    assert "a.csv" in str(caught.value)
    assert not (tmp_path / "out.h5").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.csv",
            b'text,label\nhi,a\n"open,a\nlast,b\n',
            "line 3: unexpected end of data; is",
        ),
        ("a.csv", b'text,label\n"a "b" c",a\n', "line 2: .* is a quote left open"),
        ("a.csv", b"text,label\nhi,a\nna\xefve,b\n", "line 3 is not UTF-8"),
        ("a.csv", b"text,label\nhi,a,b\n", "line 2: 3 cells under 2 columns"),
        ("a.csv", b"text,text\nhi,a\n", "line 1: a column is named twice"),
        ("a.jsonl", b'{"text": "hi", "label": "a"}\n{"text": \n', "line 2 is not JSON"),
        ("a.jsonl", b'["hi", "a"]\n', "line 1: expected an object"),
        ("a.jsonl", b'{"text": ["hi"], "label": "a"}\n', r"line 1: column 'text' is \['hi'\]"),
        ("a.docx", b"", "unknown kind of table; expected .csv"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(NodalError, match=message) as caught:
        prepare(tmp_path, {"data": tmp_path / name}, test_share=0.5)
    assert name in str(caught.value)


def test_lines_within_quotes_do_not_move_the_count(tmp_path):
    (tmp_path / "a.csv").write_text('text,label\n"two\nlines",a\n,a\n')
    with pytest.raises(NodalError, match="line 4: column 'text' is ''"):
        prepare(tmp_path, {"data": tmp_path / "a.csv"}, test_share=0.5)


def tokenizer(path):
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[?]": 0, "BALANCE": 1}, "[?]"))
    made.normalizer = tokenizers.normalizers.Sequence([])
    made.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    made.add_tokens(["balance", "song", "play"])
    made.save(str(path))
    return path


def test_a_tokenizer_of_ones_own_cuts_the_texts(tmp_path):
    files = {"data": csv(tmp_path / "a.csv"), "tokenizer": tokenizer(tmp_path / "tokenizer.json")}
    dataset = prepare(tmp_path, files, **SPLIT)
    assert set(dataset.vocabulary[2:]) == {"balance", "song", "play", "[?]"} - {"play"}


def test_a_tokenizer_file_that_is_none_is_named(tmp_path):
    pytest.importorskip("tokenizers")
    (tmp_path / "tokenizer.json").write_text("{}")
    files = {"data": csv(tmp_path / "a.csv"), "tokenizer": tmp_path / "tokenizer.json"}
    with pytest.raises(NodalError, match=r"tokenizer\.json: not a tokenizer file"):
        prepare(tmp_path, files, **SPLIT)


def test_words_are_lower_case_and_of_any_length():
    assert words.splitter()("I'm 5, I THINK") == ["i", "m", "5", "i", "think"]


@pytest.fixture
def clinc(tmp_path):
    """A data_full.json of 2 intents in the genuine format."""
    content = {part: [[f"{part} {i} word", label] for label in ("pay", "ask") for i in range(3)]
               for part in ("train", "val", "test")}  # fmt: skip
    content |= {f"oos_{part}": [["what", "oos"]] for part in ("train", "val", "test")}
    (tmp_path / "data_full.json").write_text(json.dumps(content))
    return tmp_path / "data_full.json"


CLINC = {"source": "clinc150", "length": 10, "min_count": 1}


def test_clinc150_leaves_out_what_is_out_of_scope(clinc, tmp_path):
    said = []
    datasets.prepare(tmp_path / "c.h5", "c", CLINC, {clinc.name: clinc}, said.append)
    dataset = datasets.load(tmp_path / "c.h5")
    assert dataset.label_names == ["ask", "pay"]
    assert dataset.train.texts == [f"train {i} word" for i in (0, 1, 2) * 2][:6]
    assert any("1 texts of oos_test are out of scope" in line for line in said)


@pytest.mark.parametrize("content", ["[]", "{", '{"train": [["a"]]}', '{"train": []}', "3"])
def test_a_file_that_is_not_clinc150_is_named(tmp_path, content):
    (tmp_path / "data_full.json").write_text(content)
    with pytest.raises(NodalError, match=r"data_full\.json: not CLINC150's"):
        datasets.prepare(
            tmp_path / "c.h5", "c", CLINC, {"data_full.json": tmp_path / "data_full.json"}
        )


PUBLISHED = Path(os.environ.get("NODAL_DATA", "/nowhere")) / "clinc150.json"


@pytest.mark.skipif(not PUBLISHED.exists(), reason="needs the published file, in $NODAL_DATA")
def test_clinc150_as_published(tmp_path):
    from nodal.files.download import verified

    published = datasets.SOURCES["clinc150"].files["data_full.json"]
    verified(PUBLISHED, published.md5)
    datasets.prepare(tmp_path / "c.h5", "c", CLINC, {"data_full.json": PUBLISHED})
    with datasets.opened(tmp_path / "c.h5") as dataset:
        assert np.bincount(dataset.train.labels).tolist() == [100] * 150
        assert np.bincount(dataset.test.labels).tolist() == [30] * 150


def test_banking77_is_read_from_its_two_files(tmp_path):
    header = ("text", "category")
    files = {
        f"{part}.csv": csv(
            tmp_path / f"{part}.csv",
            [(f"{part}, word {i}", label) for label in ("card", "cash") for i in range(n)],
            header=header,
        )
        for part, n in (("train", 3), ("test", 2))
    }
    settings = {"source": "banking77", "length": 10, "min_count": 1}
    datasets.prepare(tmp_path / "b.h5", "b", settings, files)
    dataset = datasets.load(tmp_path / "b.h5")
    assert dataset.label_names == ["card", "cash"]
    assert (len(dataset.train.labels), len(dataset.test.labels)) == (6, 4)
    assert dataset.test.texts[0] == "test, word 0"


def test_texts_are_read_when_they_are_taken(tmp_path):
    prepare(tmp_path, {"data": csv(tmp_path / "a.csv")}, **SPLIT)
    with datasets.opened(tmp_path / "out.h5") as dataset:
        texts = dataset.train.texts
        assert not isinstance(texts, list)
        expected = [row[0] for row in ROWS[:4]]
        assert [texts[i] for i in range(-4, 4)] == expected * 2
        assert [texts[1:3], texts[::2], texts[3:1], list(texts)] == [
            expected[1:3], expected[::2], [], expected
        ]  # fmt: skip
        with pytest.raises(IndexError):
            texts[4]


def test_damage_of_a_text_is_found(tmp_path):
    prepare(tmp_path, {"data": csv(tmp_path / "a.csv")}, **SPLIT)
    path = tmp_path / "out.h5"
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"balance, please", b"balance, pleasf"))
    assert path.read_bytes() != raw
    with pytest.raises(NodalError, match=r"out\.h5: not a complete HDF5 artifact"):
        datasets.load(path)


@pytest.mark.parametrize("kind", ["directory", "zip", "tar"])
def test_texts_in_files_below_their_labels(tmp_path, kind):
    (tmp_path / "in").mkdir()
    files = {
        f"set/{part}/{label}/{i}.TXT": text.encode() for i, (text, label, part) in enumerate(ROWS)
    }
    said = []
    data = write_tree(tmp_path / "in", files | {"set/README.md": b"x"}, kind)
    dataset = prepare(tmp_path, {"data": data}, said)
    assert sorted(dataset.test.texts) == sorted(row[0] for row in ROWS[4:6])
    assert dataset.label_names == ["money", "music"]
    labels = {row[0]: row[1] for row in ROWS}
    for text, label in zip(dataset.train.texts, dataset.train.labels, strict=True):
        assert labels[text] == dataset.label_names[label]
    assert any("2 texts of val are not used" in line for line in said)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"  ", "9.txt: no word in the text"), (b"a\nna\xefve", "9.txt: line 2 is not UTF-8")],
)
def test_what_is_wrong_in_a_text_file_is_named(tmp_path, content, message):
    (tmp_path / "in").mkdir()
    files = {"a/1.txt": b"one", "a/9.txt": content, "b/1.txt": b"one", "b/2.txt": b"two"}
    data = write_tree(tmp_path / "in", files, "zip")
    with pytest.raises(NodalError, match=message):
        prepare(tmp_path, {"data": data}, test_share=0.5)
