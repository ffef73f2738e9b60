// A toast repeats what a note in the page says, for six seconds, longer while
// the focus or the pointer is on it. The note in the page is the truth.
const box = document.querySelector("[data-toasts]");

document.addEventListener("terrarium:toast", (event) => {
  if (!box) return;
  const note = document.createElement("div");
  note.className = "note " + (event.detail.kind || "");
  note.textContent = event.detail.text;
  note.tabIndex = 0;
  box.replaceChildren(note);
  const end = () => {
    if (note.matches(":hover, :focus")) setTimeout(end, 1000);
    else note.remove();
  };
  setTimeout(end, 6000);
});
