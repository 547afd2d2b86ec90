// Writes into the page what loaded, so that a dump of the page shows that style, script, images and data all arrived.
"use strict";

const report = (text) => {
  const item = document.createElement("li");
  item.textContent = text;
  document.getElementById("report").append(item);
};

window.addEventListener("load", async () => {
  report("heading " + getComputedStyle(document.querySelector("h1")).color);
  for (const id of ["lilies", "reed"]) {
    const image = document.getElementById(id);
    report(id + " " + image.naturalWidth + " by " + image.naturalHeight);
  }
  const fish = await (await fetch("fish.json")).json();
  report("fish " + fish.names.join(", "));
  const gone = await fetch("gone.json");
  report("gone " + gone.status);
  document.title = "Loaded";
});
