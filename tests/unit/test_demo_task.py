"""The embedded demo task: its clips, degradations, splits, labels and rendered audio."""

from __future__ import annotations

import hashlib
import itertools
import threading
from pathlib import Path

import numpy as np
import pytest
from mosharness.harness.core.errors import DataError, UnknownName
from mosharness.harness.core.files import read_csv
from mosharness.tasks.demo import degrade, measure, render, rows, table
from mosharness.tasks.demo.systems import SPLITS, SYSTEMS

FOLDER = Path(rows.__file__).parent
EXPECTED_ROWS = {"train": 252, "dev": 72, "test": 162}
# First 16 hexadecimal digits of the SHA-256 of the samples, measured on x86-64 with numpy 2.4.6 (see the note on
# determinism in degrade.py). If these change, the labels must be measured again.
DIGESTS = {
    ("rms-01", "white_25"): "c815fadfdbf28155",
    ("ked-02", "mnru_18"): "4f28a1fcb400afee",
    ("espeak_gb_m-01", "echo_24"): "4a491a6014bef5cd",
    ("slt-01", "telephone_5"): "2d0ec65e5d7db22c",
    ("awb-02", "pink_35"): "4811cf3255066856",
    ("espeak_us_m-03", "repeat_6"): "6decdf44188c6181",
}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every degraded clip, rendered once for this module."""
    return render.render(tmp_path_factory.mktemp("demo"))


def pcm(path: Path) -> np.ndarray:
    """Samples of a WAV file as int16."""
    import soundfile

    samples, sample_rate = soundfile.read(path, dtype="int16")
    assert sample_rate == 16_000
    return samples


def system_means(split: str) -> dict[str, float]:
    """Mean label of every system of a split."""
    values: dict[str, list[float]] = {}
    for row in table.rows(split, audio=False):
        values.setdefault(row["system_id"], []).append(row["mos"])
    return {system: float(np.mean(mos)) for system, mos in values.items()}


def test_the_task_folder_stays_below_three_megabytes():
    parts = [path for path in FOLDER.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in parts) < 3_000_000


def test_every_listed_clip_is_there_and_no_other():
    stored = {path.stem for path in (FOLDER / "clips").glob("*.flac")}
    assert stored == {clip["clip"] for clip in rows.clips()}
    assert len({clip["text"] for clip in rows.clips()}) == len(rows.clips()) == 25


def test_the_licence_page_names_every_speaker_and_engine():
    page = (FOLDER / "clips" / "LICENSES.md").read_text("utf-8")
    for clip in rows.clips():
        assert f"`{clip['speaker']}`" in page
        assert clip["engine"].split()[0] in page


@pytest.mark.parametrize("clip", [clip["clip"] for clip in rows.clips()])
def test_clean_clips_are_of_sane_length_and_level(clip):
    samples = render.read_clip(clip) / degrade.FULL_SCALE
    peak = 20 * np.log10(np.abs(samples - samples.mean()).max())
    whole = samples[: len(samples) // 320 * 320].reshape(-1, 320)
    energy = np.mean(whole**2, axis=1)
    assert -12 < peak < -1, "peak in dB of full scale"
    assert 2 < len(samples) / 16_000 < 3
    assert abs(samples.mean()) < 0.01
    assert np.mean(energy > energy.max() * 1e-4) > 0.5, "share of active frames"


def test_no_system_no_speaker_and_no_sentence_is_in_two_splits():
    for first, second in itertools.combinations(SPLITS, 2):
        assert not set(SPLITS[first].systems) & set(SPLITS[second].systems)
        assert not set(SPLITS[first].speakers) & set(SPLITS[second].speakers)
        texts = [{row["text"] for row in table.rows(split, audio=False)} for split in (first, second)]
        assert not texts[0] & texts[1]


def test_test_has_degradations_that_no_other_split_has():
    families = {split: {SYSTEMS[name].family for name in SPLITS[split].systems} for split in SPLITS}
    assert families["test"] - families["train"] - families["dev"] == {"pink", "muffled", "overdrive", "repeat"}
    assert families["dev"] - families["train"] - families["test"] == {"hum", "echo"}


@pytest.mark.parametrize("split", SPLITS)
def test_splits_are_balanced_and_as_large_as_stated(split):
    found = table.rows(split, audio=False)
    counts = [sum(row["system_id"] == system for row in found) for system in SPLITS[split].systems]
    assert len(found) == EXPECTED_ROWS[split]
    assert len(set(counts)) == 1 and counts[0] >= (4 if split == "dev" else 6)
    assert len(SPLITS[split].systems) >= 16
    clips = [clip["speaker"] for clip in rows.clips() if clip["speaker"] in SPLITS[split].speakers]
    assert len({clips.count(speaker) for speaker in SPLITS[split].speakers}) == 1


def test_labels_cover_every_row_and_nothing_else():
    planned = [row["utterance_id"] for split in SPLITS for row in table.rows(split, audio=False)]
    assert len(set(planned)) == len(planned)
    listed = read_csv(FOLDER / "labels.csv", ("utterance_id", "mos"))
    assert [row["utterance_id"] for row in listed] == planned
    assert all(1.0 <= float(row["mos"]) <= 4.65 for row in listed)


def test_rows_have_the_promised_columns_and_no_path_without_audio():
    row = table.rows("test", audio=False)[0]
    assert row == {
        "utterance_id": "slt-01-white_30",
        "system_id": "white_30",
        "audio_path": "",
        "mos": rows.labels()["slt-01-white_30"],
        "text": "The museum opens early during the summer.",
        "sample_rate": 16_000,
        "split": "test",
    }


def test_the_note_says_that_these_are_no_human_ratings():
    assert "not human ratings" in rows.NOTE and "PESQ" in rows.NOTE


def test_an_unknown_split_is_named_with_the_nearest():
    with pytest.raises(UnknownName, match=r'no split of demo called "tset".*"test"'):
        table.rows("tset")


def test_clean_is_the_best_system_and_gets_the_top_of_the_scale():
    labels = [row["mos"] for row in table.rows("train", audio=False) if row["system_id"] == "clean"]
    assert labels == pytest.approx([4.6439] * 12, abs=1e-4)
    assert max(rows.labels().values()) == pytest.approx(4.6439, abs=1e-4)


@pytest.mark.parametrize("split", SPLITS)
def test_measured_quality_falls_along_every_ladder(split):
    means = system_means(split)
    ladders: dict[str, list[float]] = {}
    for name in SPLITS[split].systems:  # listed from mild to strong
        ladders.setdefault(SYSTEMS[name].family, []).append(means[name])
    assert sum(len(ladder) > 1 for ladder in ladders.values()) >= 5
    for family, ladder in ladders.items():
        assert all(mild > strong + 0.2 for mild, strong in itertools.pairwise(ladder)), (family, ladder)


@pytest.mark.parametrize("split", SPLITS)
def test_systems_spread_over_the_scale(split):
    means = np.array(list(system_means(split).values()))
    assert means.min() < 1.6 and means.max() > 4.0
    assert np.std(means) > 0.7


@pytest.mark.parametrize(("clip", "system"), DIGESTS)
def test_degradations_give_the_stored_samples(clip, system):
    samples = degrade.degrade(render.read_clip(clip), clip, system)
    assert hashlib.sha256(samples.astype("<i2").tobytes()).hexdigest()[:16] == DIGESTS[clip, system]


def test_degradations_do_not_depend_on_what_was_rendered_before(rendered):
    items = [item for split in SPLITS for item in rows.utterances(split)][::-7]
    for item in items:
        again = degrade.degrade(render.read_clip(item["clip"]), item["clip"], item["system_id"])
        assert np.array_equal(again, pcm(rendered[item["utterance_id"]])), item["utterance_id"]


def test_random_numbers_differ_between_clips_and_between_systems():
    draws = {
        tuple(degrade.random_state(clip, system).randint(0, 2**31, size=4))
        for clip in ("rms-01", "rms-02")
        for system in ("white_45", "white_35")
    }
    assert len(draws) == 4


def test_every_family_is_used_and_every_system_has_one():
    assert {system.family for system in SYSTEMS.values()} == set(degrade.FAMILIES)


def test_rendered_clips_keep_the_length_and_are_neither_silent_nor_clipped(rendered):
    items = {item["utterance_id"]: item["clip"] for split in SPLITS for item in rows.utterances(split)}
    assert list(rendered) == list(items)
    for name, path in rendered.items():
        samples = pcm(path) / degrade.FULL_SCALE
        assert len(samples) == len(render.read_clip(items[name])), name
        assert 0.05 < np.abs(samples).max() <= 1.0, name
        assert np.mean(np.abs(samples) >= 0.999) <= 1e-4, name


def test_rendered_clips_lie_in_time_with_the_clean_clip(rendered):
    for item in rows.utterances("test")[::2]:
        clean = render.read_clip(item["clip"]).astype(float)
        other = pcm(rendered[item["utterance_id"]]).astype(float)
        size = 1 << (2 * len(clean)).bit_length()
        product = np.fft.irfft(np.fft.rfft(other, size) * np.conj(np.fft.rfft(clean, size)), size)
        lag = int(np.argmax(product))
        assert min(lag, size - lag) <= 1, (item["utterance_id"], lag)


def test_noise_lies_as_far_below_the_speech_as_the_name_says():
    clean = render.read_clip("slt-02") / degrade.FULL_SCALE
    noisy = degrade.degrade(render.read_clip("slt-02"), "slt-02", "white_30") / degrade.FULL_SCALE
    noise = np.sqrt(np.mean((noisy - clean) ** 2))
    assert 20 * np.log10(degrade.active_rms(clean) / noise) == pytest.approx(30, abs=0.05)


def test_loss_silences_the_stated_share_of_active_frames():
    clean = render.read_clip("rms-01")
    lossy = degrade.degrade(clean, "rms-01", "loss_15")
    frames = degrade.active_frames(clean / degrade.FULL_SCALE)
    silent = [not lossy[frame * 320 : (frame + 1) * 320].any() for frame in frames]
    assert sum(silent) == round(0.15 * len(frames))


def test_rendering_twice_writes_nothing_the_second_time(tmp_path):
    first = render.render(tmp_path, splits=("dev",))
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")}
    assert render.render(tmp_path, splits=("dev",)) == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")} == times


def test_rendering_mends_what_is_gone_cut_short_or_edited_and_leaves_the_rest(tmp_path):
    paths = list(render.render(tmp_path, splits=("dev",)).values())
    before = {path: path.read_bytes() for path in paths}
    inode = paths[3].stat().st_ino
    paths[0].unlink()
    paths[1].write_bytes(before[paths[1]][:1000])
    paths[2].write_bytes(before[paths[2]][:-1] + bytes([before[paths[2]][-1] ^ 1]))
    render.render(tmp_path, splits=("dev",))
    assert {path: path.read_bytes() for path in paths} == before
    assert paths[3].stat().st_ino == inode


@pytest.mark.parametrize("damage", ["", "[1]", "{"])
def test_rendering_survives_a_damaged_manifest(tmp_path, damage):
    paths = render.render(tmp_path, splits=("dev",))
    good = (tmp_path / "dev.json").read_bytes()
    (tmp_path / "dev.json").write_text(damage)
    assert render.render(tmp_path, splits=("dev",)) == paths
    assert (tmp_path / "dev.json").read_bytes() == good


def test_two_renderings_at_once_end_with_the_same_files(tmp_path):
    errors: list[BaseException] = []

    def work() -> None:
        try:
            render.render(tmp_path, splits=("dev",))
        except BaseException as error:
            errors.append(error)

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not errors
    assert not list(tmp_path.rglob("*.part"))
    alone = render.render(tmp_path / "alone", splits=("dev",))
    for name, path in render.render(tmp_path, splits=("dev",)).items():
        assert path.read_bytes() == alone[name].read_bytes()


def test_rows_with_audio_point_into_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("MOSHARNESS_CACHE", str(tmp_path))
    found = table.rows("dev")
    assert all(Path(row["audio_path"]).is_file() for row in found)
    assert {Path(row["audio_path"]).parents[1] for row in found} == {render.default_cache()}
    assert render.default_cache() == tmp_path / f"demo-{render.VERSION}-{render.fingerprint()}"


def test_a_cache_that_cannot_be_written_is_explained(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="MOSHARNESS_CACHE"):
        render.render(tmp_path / "file", splits=("dev",))


def test_measuring_again_reports_changed_missing_and_extra_labels():
    stored = {"a": 2.0, "b": 3.0, "c": 4.0}
    measured = {"a": 2.0004, "b": 3.1, "d": 1.0}
    assert measure.differences(measured, stored) == [
        "b: stored 3.0000, measured 3.1000",
        "d: only measured",
        "c: only stored",
    ]


@pytest.mark.slow
def test_the_labels_are_what_pesq_measures(rendered):
    pytest.importorskip("pesq", reason="the package pesq, which only measures the labels, is not installed")
    wrong = []
    for split in SPLITS:
        for item in rows.utterances(split)[::5]:
            name = item["utterance_id"]
            wrong += measure.differences(
                {name: measure.score(item["clip"], str(rendered[name]))}, {name: rows.labels()[name]}
            )
    assert not wrong


def test_the_voices_are_written_as_the_card_says_and_paired_by_sentence(tmp_path):
    from mosharness.tasks.demo import voices

    assert voices.write(tmp_path) == {"systems": 40, "released": 22, "broken": 22, "tonight": 22}
    names = {
        folder: {path.name for path in (tmp_path / folder).iterdir()} for folder in ("released", "broken", "tonight")
    }
    assert len({frozenset(files) for files in names.values()}) == 1
    systems = {path.name: sorted(one.name for one in path.iterdir()) for path in (tmp_path / "systems").iterdir()}
    assert len(systems) == 8 and all(files == [f"s{at:02d}.wav" for at in range(1, 6)] for files in systems.values())
    card = (tmp_path / "card.md").read_text("utf-8")
    assert "**Nobody rated these clips.**" in card
    clean, broken = (pcm(tmp_path / folder / "s01.wav") for folder in ("released", "broken"))
    assert (
        len(clean) == len(broken)
        and not (clean == broken).all()
        and clean.std() == pytest.approx(broken.std(), rel=0.1)
    )
    assert min(len(pcm(path)) for path in tmp_path.rglob("*.wav")) / 16_000 > 1.5


def test_every_voice_is_listed_said_alike_and_under_a_licence():
    from mosharness.tasks.demo import voices

    folder = Path(voices.__file__).parent
    stored = {str(path.relative_to(folder / "clips").with_suffix("")) for path in folder.glob("clips/*/*.ogg")}
    assert stored == {clip["clip"] for clip in voices.clips()}
    texts: dict[str, set[str]] = {}
    for clip in voices.clips():
        texts.setdefault(clip["clip"].partition("/")[2], set()).add(clip["text"])
    assert all(len(said) == 1 for said in texts.values())
    page = (folder / "clips" / "LICENSES.md").read_text("utf-8")
    assert all(f"`{clip['system_id']}`" in page and clip["engine"].split()[0] in page for clip in voices.clips())
