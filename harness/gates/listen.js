"use strict";
// Keys: 1 and 2 play; f, t and s vote; arrows move. Votes stay in this page until they are saved as a CSV file.
const data = JSON.parse(document.getElementById("page").textContent);
const pairs = Array.from(document.querySelectorAll(".pair"));
const choices = ["first", "tie", "second"];
const votes = new Array(pairs.length).fill("");
const heard = pairs.map(() => new Set());
const name = document.getElementById("listener");
const said = document.getElementById("said");
const store = "mosharness-listen-" + data.page;
let at = 0;

function remember() {
  try { localStorage.setItem(store, JSON.stringify({ votes, name: name.value })); } catch (error) { /* no storage */ }
}

function recall() {
  try {
    const old = JSON.parse(localStorage.getItem(store) || "{}");
    (old.votes || []).forEach((vote, number) => { if (number < votes.length && choices.includes(vote)) votes[number] = vote; });
    if (typeof old.name === "string") name.value = old.name;
  } catch (error) { /* no storage */ }
}

function show() {
  pairs.forEach((pair, number) => { pair.hidden = number !== at; });
  const done = votes.filter(Boolean).length;
  document.getElementById("place").textContent = `Pair ${at + 1} of ${pairs.length}; ${done} voted on`;
  document.getElementById("progress").value = done;
  document.getElementById("back").disabled = at === 0;
  document.getElementById("next").disabled = at === pairs.length - 1;
  document.querySelectorAll("[data-choice]").forEach((button) => {
    button.setAttribute("aria-pressed", String(votes[at] === button.dataset.choice));
  });
}

function move(step) {
  pairs[at].querySelectorAll("audio").forEach((clip) => clip.pause());
  at = Math.min(pairs.length - 1, Math.max(0, at + step));
  said.textContent = "";
  show();
}

function play(which) {
  const clips = pairs[at].querySelectorAll("audio");
  clips[1 - which].pause();
  clips[which].currentTime = 0;
  clips[which].play();
}

function vote(choice) {
  if (heard[at].size < 2 && !votes[at]) {
    said.textContent = "Hear both clips first (keys 1 and 2).";
    return;
  }
  votes[at] = choice;
  remember();
  const left = votes.filter((one) => !one).length;
  show();
  if (left === 0) {
    said.textContent = "That was the last pair. Save the votes.";
    document.getElementById("save").focus();
  } else if (at < pairs.length - 1) {
    move(1);
  }
}

function cell(text) {
  return '"' + String(text).replace(/"/g, '""') + '"';
}

function save() {
  const lines = ["page,number,choice,listener"];
  votes.forEach((choice, number) => {
    if (choice) lines.push([data.page, number + 1, choice, cell(name.value.trim())].join(","));
  });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
  link.download = `votes-${data.page}.csv`;
  link.click();
  const left = votes.filter((one) => !one).length;
  said.textContent = left ? `Saved; ${left} pairs have no vote yet.` : "Saved. Hand the file back.";
}

pairs.forEach((pair, number) => {
  pair.querySelectorAll("audio").forEach((clip, which) => clip.addEventListener("play", () => heard[number].add(which)));
  pair.querySelectorAll("[data-play]").forEach((button) => {
    button.addEventListener("click", () => play(Number(button.dataset.play)));
  });
});
document.querySelectorAll("[data-choice]").forEach((button) => {
  button.addEventListener("click", () => vote(button.dataset.choice));
});
document.getElementById("back").addEventListener("click", () => move(-1));
document.getElementById("next").addEventListener("click", () => move(1));
document.getElementById("save").addEventListener("click", save);
name.addEventListener("input", remember);
document.addEventListener("keydown", (event) => {
  if (event.target === name || event.ctrlKey || event.metaKey || event.altKey) return;
  const keys = {
    1: () => play(0), 2: () => play(1), f: () => vote("first"), t: () => vote("tie"), s: () => vote("second"),
    ArrowLeft: () => move(-1), ArrowRight: () => move(1),
  };
  const action = event.target.tagName === "AUDIO" && event.key.startsWith("Arrow") ? null : keys[event.key];
  if (action) {
    event.preventDefault();
    action();
  }
});
recall();
show();
