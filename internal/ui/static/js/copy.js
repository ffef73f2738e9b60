// Copy buttons: the text of the code beside them, without the prompts.
for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;

const words = (button, text) => {
  const label = button.querySelector("[aria-live]") || button;
  label.dataset.word ??= label.textContent;
  label.textContent = text;
  clearTimeout(button.timer);
  button.timer = setTimeout(() => (label.textContent = label.dataset.word), 2000);
};

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = button.closest(".code")?.querySelector("code");
  const text = button.dataset.copy || source?.textContent;
  try {
    await navigator.clipboard.writeText(text);
    words(button, "Copied");
  } catch {
    // Without a secure address there is no clipboard: mark the text instead.
    if (source) getSelection().selectAllChildren(source);
    words(button, "Press Ctrl C");
  }
});

// What htmx brings in later has buttons too.
document.addEventListener("htmx:after:swap", () => {
  for (const button of document.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
});
