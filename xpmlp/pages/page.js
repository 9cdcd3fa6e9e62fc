// The page at work: the form or the canvas, what the network says to it, and the threshold's slider.
const part = (id) => document.getElementById(id);
const data = (id) => (part(id) ? JSON.parse(part(id).textContent) : null);
const shown = (value) => (Math.abs(value) >= 1e5 ? value.toExponential(3) : String(Number(value.toPrecision(4))));

/** The class that is chosen by the probabilities: by xpmlp/training/decision.py. */
function chosen(model, outputs) {
  const { weights, costs } = model.decision || { weights: [], costs: [] };
  const given = model.transform === "logistic" ? [1 - outputs[0], outputs[0]] : outputs;
  if (costs.length) {
    const expected = given.map((_, column) => given.reduce((sum, p, row) => sum + p * costs[row][column], 0));
    return expected.indexOf(Math.min(...expected));
  }
  const weighed = given.map((p, place) => p * (weights.length ? weights[place] : 1));
  return weighed.indexOf(Math.max(...weighed));
}

function show(model, outputs) {
  part("said").textContent = model.classes
    ? `Prediction: ${model.classes[chosen(model, outputs)]}`
    : `Prediction: ${outputs.map(shown).join(", ")}`;
  document.querySelectorAll("#outputs tr").forEach((row, place) => {
    row.querySelector("td").dataset.value = outputs[place];
    row.querySelector("td").textContent = !model.classes ? shown(outputs[place]) : outputs[place].toFixed(4);
    const meter = row.querySelector("meter");
    if (meter) meter.value = outputs[place];
  });
}

function cellsOf(form) {
  return [...form.querySelectorAll("[data-column]")].map((input) =>
    input.value === "" || (input.type === "number" && Number.isNaN(input.valueAsNumber)) ? null : input.value,
  );
}

function tryForm(model, form) {
  const update = () => {
    const cells = cellsOf(form);
    const { numbers, codes } = model.encoding
      ? encode(model.encoding, cells)
      : { numbers: cells.map((cell, place) => standardised(model, Number(cell ?? model.fill[place]), place)), codes: [] };
    show(model, predict(model, numbers, codes));
  };
  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  update();
}

const standardised = (model, raw, place) => (model.mean ? (raw - model.mean[place]) / model.std[place] : raw);

function tryCanvas(model, canvas) {
  const [height, width] = model.image, ink = new Float64Array(height * width), pen = canvas.getContext("2d");
  let row = height >> 1, column = width >> 1;
  const update = () => {
    const image = pen.createImageData(width, height);
    ink.forEach((level, place) => {
      const grey = Math.round((255 * level) / model.most);
      image.data.set([grey, grey, grey, 255], 4 * place);
    });
    pen.putImageData(image, 0, 0);
    show(model, predict(model, Array.from(ink), []));
  };
  const paint = (y, x) => {
    const brush = Math.max(width / 20, 0.7);
    for (let i = 0; i < height; i++)
      for (let j = 0; j < width; j++) {
        const strength = Math.min(1, Math.max(0, 1.5 - Math.hypot(i + 0.5 - y, j + 0.5 - x) / brush));
        ink[i * width + j] = Math.max(ink[i * width + j], Math.round(strength * model.most));
      }
    update();
  };
  const draw = (event) => {
    if (!event.buttons) return;
    const box = canvas.getBoundingClientRect();
    paint(((event.clientY - box.top) / box.height) * height, ((event.clientX - box.left) / box.width) * width);
    event.preventDefault();
  };
  canvas.addEventListener("pointerdown", draw);
  canvas.addEventListener("pointermove", draw);
  canvas.addEventListener("keydown", (event) => {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }, move = moves[event.key];
    if (!move && event.key !== " ") return;
    event.preventDefault();
    if (move) [row, column] = [clip(row + move[0], height - 1), clip(column + move[1], width - 1)].map((z) => Math.max(z, 0));
    if (!move || event.shiftKey) paint(row + 0.5, column + 0.5);
    part("cursor").textContent = `row ${row + 1} of ${height}, column ${column + 1} of ${width}`;
  });
  part("clear").addEventListener("click", () => { ink.fill(0); update(); });
  update();
}

function slide(steps) {
  const slider = part("threshold");
  const update = () => {
    const step = steps[slider.value];
    part("at").textContent = (slider.value / 100).toFixed(2);
    document.querySelectorAll("#trade td").forEach((cell, place) => { cell.textContent = step[place]; });
  };
  slider.addEventListener("input", update);
  update();
}

const given = data("model"), steps = data("thresholds");
if (given) {
  const model = prepared(given);
  if (part("form")) tryForm(model, part("form"));
  if (part("canvas")) tryCanvas(model, part("canvas"));
}
if (steps) slide(steps);
