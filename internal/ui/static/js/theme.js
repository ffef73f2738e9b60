// The theme changes at once; the form still tells the server, in the background.
document.addEventListener("submit", async (event) => {
  const form = event.target.closest("[data-theme-form]");
  const button = event.submitter;
  if (!form || !button) return;
  event.preventDefault();
  const data = new URLSearchParams(new FormData(form, button));
  try {
    await fetch(form.action, { method: "POST", body: data, redirect: "manual" });
  } catch {
    form.submit();
    return;
  }
  if (button.value === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = button.value;
  for (const other of form.querySelectorAll("[aria-pressed]")) other.setAttribute("aria-pressed", String(other === button));
});
