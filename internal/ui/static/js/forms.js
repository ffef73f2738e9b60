// Small helps for forms: a select that sends itself, a password that may be
// seen, a tool that is remembered, the focus on what is wrong.
document.addEventListener("change", (event) => {
  const field = event.target;
  if (field.closest("[data-submit]")) field.form.requestSubmit();
  if (field.closest("[data-tool]"))
    document.cookie = `tool=${field.value}; path=/; max-age=31536000; samesite=lax`;
});

for (const button of document.querySelectorAll("[data-reveal]")) {
  const field = document.getElementById(button.dataset.reveal);
  button.hidden = false;
  button.addEventListener("click", () => {
    const shown = field.type === "password";
    field.type = shown ? "text" : "password";
    button.textContent = shown ? "Hide" : "Show";
    button.setAttribute("aria-pressed", String(shown));
  });
}

document.querySelector("[data-focus]")?.focus();

// A second press while the first is on its way would send the form twice.
document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (event.defaultPrevented || !button || event.target.method !== "post") return;
  if (button.getAttribute("aria-busy")) {
    event.preventDefault();
    return;
  }
  button.setAttribute("aria-busy", "true");
  addEventListener("pageshow", () => button.removeAttribute("aria-busy"), { once: true });
});

// While htmx asks, what will be replaced stays and says that it is busy.
document.addEventListener("htmx:before:request", (event) => {
  event.detail.ctx?.target?.setAttribute?.("aria-busy", "true");
});
