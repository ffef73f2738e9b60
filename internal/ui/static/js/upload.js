// Uploads file by file with a bar each. Without this module the form sends all
// files in one request.
const form = document.querySelector("[data-upload]");
const list = document.querySelector("[data-upload-list]");
const zone = document.querySelector("[data-drop]");
const input = form?.querySelector("input[type=file]");

const size = (n) => (n < 1e6 ? (n / 1e3).toFixed(1) + " kB" : (n / 1e6).toFixed(1) + " MB");

// line makes the row of a file and gives a function that says how it stands.
const line = (file) => {
  const item = document.createElement("li");
  const name = document.createElement("b");
  const state = document.createElement("span");
  const bar = document.createElement("progress");
  name.textContent = file.name;
  state.className = "muted small";
  state.setAttribute("role", "status");
  bar.max = 100;
  bar.value = 0;
  bar.setAttribute("aria-label", file.name);
  item.append(name, state, bar);
  list.append(item);
  return (words, part, html) => {
    if (html) {
      item.replaceChildren(...html.childNodes);
      return;
    }
    state.textContent = words;
    if (part === undefined) bar.removeAttribute("value");
    else bar.value = part;
  };
};

// send uploads one file; the answer is the finished row as the page draws it.
const send = (file, say) =>
  new Promise((done) => {
    const data = new FormData(form);
    data.delete(input.name);
    data.append(input.name, file);
    const request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.setRequestHeader("HX-Request", "true");
    request.upload.addEventListener("progress", (event) => {
      const part = Math.floor((100 * event.loaded) / event.total);
      if (part < 100) say(`sending ${part} %, ${size(event.loaded)} of ${size(event.total)}`, part);
      else say("checking");
    });
    request.addEventListener("load", () => {
      const answer = new DOMParser().parseFromString(request.responseText, "text/html");
      const row = answer.querySelector("[data-upload-row]");
      if (row) say("", 100, row);
      else say(`The server answered ${request.status}. Nothing was stored.`, 0);
      done();
    });
    request.addEventListener("error", () => {
      say("The connection broke. Nothing was stored; send the file again.", 0);
      done();
    });
    request.send(data);
  });

const take = async (files) => {
  const waiting = [...files].map((file) => [file, line(file)]);
  for (const [, say] of waiting) say("waiting", 0);
  for (const [file, say] of waiting) await send(file, say);
  input.value = "";
};

if (form && list && input) {
  form.addEventListener("submit", (event) => {
    if (!input.files.length) return;
    event.preventDefault();
    take(input.files);
  });
  zone?.addEventListener("dragover", (event) => {
    event.preventDefault();
    zone.classList.add("over");
  });
  zone?.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone?.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    input.files = event.dataTransfer.files;
  });
}
