// The live autoencoder. A classic script, not a module, since pages are also opened as files; the
// ten test digits are in globalThis.aeData, and a network gets there by a script of its own when it
// is wanted, see playground.py.
(() => {
  "use strict";

  const SIDE = 28;
  const PIXELS = SIDE * SIDE;
  const MIDDLE = (SIDE - 1) / 2; // between the middle pixels, where the first one is 0
  const PEN = 2.1; // pixels from the middle of a stroke to where its ink ends, as in the digits
  const TURN = 15; // degrees
  const LETTER = [[8, 22, 14, 5], [14, 5, 20, 22], [10.5, 16, 17.5, 16]]; // strokes of an A
  const TILES = 13; // along each side of the plane's map

  // ---- The network ----

  const ACTIVATIONS = {
    linear: (x) => x,
    relu: (x) => Math.max(0, x),
    sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  };

  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const floats = (text) => new Float32Array(bytes(text).buffer);

  class Layer {
    constructor({ activation, units, weights, scales, biases }) {
      const unitScales = floats(scales);
      const whole = new Int8Array(bytes(weights).buffer);
      this.weights = Float32Array.from(whole, (w, i) => w * unitScales[i % units]);
      this.biases = floats(biases);
      this.activate = ACTIVATIONS[activation];
    }

    run(input) {
      const units = this.biases.length;
      const sums = Float32Array.from(this.biases);
      for (let i = 0; i < input.length; i++) {
        if (input[i] === 0) continue; // as most pixels are
        for (let u = 0, w = i * units; u < units; u++, w++) sums[u] += input[i] * this.weights[w];
      }
      return sums.map(this.activate);
    }
  }

  class Network {
    constructor(stored) {
      Object.assign(this, stored);
      this.encoder = stored.encoder.map((layer) => new Layer(layer));
      this.decoder = stored.decoder.map((layer) => new Layer(layer));
      this.codeSize = stored.encoder.at(-1).units;
    }

    encode(image) {
      return this.encoder.reduce((x, layer) => layer.run(x), image);
    }

    decode(code) {
      return this.decoder.reduce((x, layer) => layer.run(x), code);
    }
  }

  // "plain" of "plain.js?v=0123abcd"
  const nameOf = (address) => address.split(".")[0];

  // Promises of networks, by the addresses of their scripts, which lie beside this one.
  const networks = {};
  const folder = document.currentScript.src;

  function load(address) {
    return (networks[address] ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = new URL(address, folder);
      script.onload = () => resolve(new Network(globalThis.aeData[nameOf(address)]));
      script.onerror = () => {
        delete networks[address]; // the reader may try again
        reject(new Error(`${script.src} could not be loaded`));
      };
      document.head.append(script);
    }));
  }

  // ---- Pictures: Float32Array of 28 x 28 values in [0, 1], row by row ----

  const clip = (value) => Math.min(1, Math.max(0, value));

  // A round pen with a soft edge from (x0, y0) to (x1, y1), in pixels from the top left corner.
  function stroke(image, [x0, y0, x1, y1], ink = true) {
    const [dx, dy] = [x1 - x0, y1 - y0];
    return image.map((value, i) => {
      const [x, y] = [(i % SIDE) + 0.5 - x0, Math.floor(i / SIDE) + 0.5 - y0];
      const along = clip((x * dx + y * dy) / (dx * dx + dy * dy || 1));
      const wet = clip(PEN - Math.hypot(x - along * dx, y - along * dy));
      return ink ? Math.max(value, wet) : Math.min(value, 1 - wet);
    });
  }

  // Each pixel comes from the place that `source` names, a mean of the four pixels around it.
  function warp(image, source) {
    const at = (x, y) => (x >= 0 && y >= 0 && x < SIDE && y < SIDE ? image[y * SIDE + x] : 0);
    return image.map((_, i) => {
      const [x, y] = source(i % SIDE, Math.floor(i / SIDE));
      const [left, top] = [Math.floor(x), Math.floor(y)];
      const [right, down] = [x - left, y - top];
      return (
        (1 - down) * ((1 - right) * at(left, top) + right * at(left + 1, top)) +
        down * ((1 - right) * at(left, top + 1) + right * at(left + 1, top + 1))
      );
    });
  }

  const shifted = (image, right, down) => warp(image, (x, y) => [x - right, y - down]);

  function turned(image, degrees) {
    const [cos, sin] = [Math.cos, Math.sin].map((f) => f((degrees * Math.PI) / 180));
    return warp(image, (x, y) => {
      const [right, down] = [x - MIDDLE, y - MIDDLE];
      return [MIDDLE + cos * right + sin * down, MIDDLE - sin * right + cos * down];
    });
  }

  // As MNIST's digits were made: the longer side is 20 pixels, the centre of mass at pixel 14.
  function fitted(image) {
    let [ink, sumX, sumY] = [0, 0, 0];
    let [left, top, right, bottom] = [SIDE, SIDE, 0, 0];
    image.forEach((value, i) => {
      const [x, y] = [i % SIDE, Math.floor(i / SIDE)];
      [ink, sumX, sumY] = [ink + value, sumX + value * x, sumY + value * y];
      if (value < 0.1) return;
      [left, right] = [Math.min(left, x), Math.max(right, x)];
      [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
    });
    if (right < left) return image;
    const scale = (Math.max(right - left, bottom - top) + 1) / 20;
    if (Math.abs(scale - 1) < 0.06) {
      // As large already, so it goes by whole pixels, which blurs nothing.
      return shifted(image, Math.round(SIDE / 2 - sumX / ink), Math.round(SIDE / 2 - sumY / ink));
    }
    return warp(image, (x, y) => [
      (x - SIDE / 2) * scale + sumX / ink,
      (y - SIDE / 2) * scale + sumY / ink,
    ]);
  }

  // Mulberry32 and the polar coordinates of Box and Muller: the same noise for the same seed.
  function noise(seed) {
    const uniform = () => {
      seed = (seed + 0x6d2b79f5) | 0;
      let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    };
    return Float32Array.from(
      { length: PIXELS },
      () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
    );
  }

  const testDigits = () => {
    const ten = Float32Array.from(bytes(globalThis.aeData.digits), (level) => level / 255);
    return Array.from({ length: 10 }, (_, i) => ten.slice(i * PIXELS, (i + 1) * PIXELS));
  };

  const meanSquare = (a, b) => a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0) / a.length;

  // Fill a canvas with a picture, each pixel a square.
  function paint(canvas, image, x = 0, y = 0, size = canvas.width) {
    const small = new OffscreenCanvas(SIDE, SIDE);
    const data = new ImageData(SIDE, SIDE);
    image.forEach((value, i) => data.data.fill(Math.round(255 * value), 4 * i, 4 * i + 3));
    image.forEach((_, i) => (data.data[4 * i + 3] = 255));
    small.getContext("2d").putImageData(data, 0, 0);
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(small, x, y, size, size);
  }

  // ---- The element ----

  let count = 0;

  const button = (action, label, sign) => `
    <button type="button" data-action="${action}" aria-label="${label}" title="${label}">
      ${sign}
    </button>`;

  const radio = (id, address) => `
    <label>
      <input type="radio" name="${id}-network" value="${address}">${nameOf(address)}
    </label>`;

  const form = (id, addresses) => `
    <div class="live">
      <fieldset class="networks" ${addresses.length > 1 ? "" : "hidden"}><legend>Network</legend>
        ${addresses.map((address) => radio(id, address)).join("")}
      </fieldset>
      <div class="stage">
        <div class="input"><div class="title" id="${id}-input">Draw here</div>
          <canvas class="drawing" width="280" height="280" tabindex="0" role="application"
            aria-labelledby="${id}-input" aria-describedby="${id}-keys"></canvas>
        </div>
        <div class="middle"><div class="title" id="${id}-code">Code</div>
          <div class="bars" role="group" aria-labelledby="${id}-code"></div>
          <canvas class="plane" width="${TILES * SIDE}" height="${TILES * SIDE}" tabindex="0"
            role="application" aria-label="Code: two numbers, moved by the arrow keys"></canvas>
          <div class="about"><span class="units"></span>
            ${button("release", "Reset to the drawing's own code", "Reset")}
          </div>
        </div>
        <div class="output"><div class="title" id="${id}-output">Reconstruction</div>
          <canvas class="reconstruction" width="280" height="280" role="img"
            aria-labelledby="${id}-output"></canvas>
        </div>
      </div>
      <p class="error"></p>
      <p class="announced" role="status"></p>
      <div class="samples" role="group" aria-label="Choose a picture"></div>
      <div class="tools">
        <span role="group" aria-label="Change the drawing">
          ${button("clear", "Clear", "Clear")}
          <button type="button" data-action="erase" aria-pressed="false">Erase</button>
          ${button("fit", "Centre and scale as MNIST's digits", "Centre")}
          ${button("invert", "Invert black and white", "Invert")}
        </span>
        <span role="group" aria-label="Move the drawing">
          ${button("left", "Shift left", "←")}${button("right", "Shift right", "→")}
          ${button("up", "Shift up", "↑")}${button("down", "Shift down", "↓")}
          ${button("back", "Rotate to the left", "↶")}${button("forth", "Rotate to the right", "↷")}
        </span>
        <span class="noise">
          <label for="${id}-noise">Noise</label>
          <input id="${id}-noise" type="range" min="0" max="1" step="0.1">
          <output for="${id}-noise"></output>
          ${button("renew", "Draw new noise", "New noise")}
        </span>
      </div>
      <details><summary>With the keyboard</summary>
        <p id="${id}-keys">In the drawing, the arrow keys move the pen, and space puts it down or lifts
        it. Arrow keys with Shift move the picture, [ and ] rotate it, Delete clears it. In the code,
        left and right choose a number, up and down change it, and Delete makes it zero. Where the code
        is a point of a plane, the arrow keys move the point.</p>
      </details>
    </div>`;

  class Playground extends HTMLElement {
    connectedCallback() {
      const addresses = this.getAttribute("networks").split(" ");
      this.insertAdjacentHTML("beforeend", form(`playground-${++count}`, addresses));
      this.find = (selector) => this.querySelector(selector);
      const digits = testDigits();
      this.drawing = digits[2]; // without noise
      this.noise = noise((this.seed = 1));
      this.pen = { x: SIDE / 2, y: SIDE / 2, down: false };
      this.find(".noise input").value = this.getAttribute("noise");
      this.listen();
      this.addSamples(digits);
      const near = (changes, observer) => {
        if (!changes.some(({ isIntersecting }) => isIntersecting)) return;
        observer.disconnect();
        this.choose(addresses[0]);
      };
      new IntersectionObserver(near, { rootMargin: "100%" }).observe(this); // a screen away
    }

    // ---- What happens ----

    // Until the network is here the one before runs on, or else the still picture stays.
    async choose(address) {
      this.chosen = address;
      if (this.network) this.render();
      const network = await load(address).catch(() => null);
      if (this.chosen !== address) return; // the reader has chosen another meanwhile
      if (network) this.run(address, network);
      else this.stay(address);
    }

    // Keep the network that runs, since the one that was chosen did not come.
    stay(address) {
      this.chosen = this.running;
      if (!this.network) return;
      this.mark();
      this.render();
      this.say(`The network <b>${nameOf(address)}</b> could not be loaded. Please try again.`);
    }

    mark() {
      this.find(`.networks [value="${this.running}"]`).checked = true;
    }

    run(address, network) {
      this.running = address;
      this.network = network;
      this.mark();
      this.classList.add("running");
      const { codeSize } = this.network;
      this.classList.toggle("flat", codeSize === 2);
      const [low, high] = this.network.code;
      const bar = (_, i) => `
        <span role="slider" tabindex="${i ? -1 : 0}" aria-label="Value ${i + 1} of ${codeSize}"
          aria-orientation="vertical" aria-valuemin="${low}" aria-valuemax="${high}"><i></i></span>`;
      this.find(".bars").innerHTML = Array.from({ length: codeSize }, bar).join("");
      this.map = codeSize === 2 && this.drawMap();
      this.pulled = false;
      this.render(); // at once, since the old code may not fit
    }

    show(drawing) {
      this.drawing = drawing;
      this.pulled = false;
      this.update();
    }

    draw(line) {
      this.show(stroke(this.drawing, line, !this.erasing));
    }

    // A code of the reader's own, in place of that of the drawing.
    setCode(code) {
      this.code = code;
      this.pulled = true;
      this.update();
    }

    update() {
      this.pending ??= requestAnimationFrame(() => {
        this.pending = null;
        this.render();
      });
    }

    render() {
      const scale = Number(this.find(".noise input").value);
      this.input = scale
        ? this.drawing.map((value, i) => clip(value + scale * this.noise[i]))
        : this.drawing;
      if (!this.pulled) this.code = this.network.encode(this.input);
      this.output = this.network.decode(this.code);
      this.find(".noise output").value = scale.toFixed(1);
      this.find("[data-action=release]").hidden = !this.pulled;
      this.find("[data-action=renew]").disabled = !scale;
      this.paintDrawing();
      paint(this.find(".reconstruction"), this.output);
      if (this.map) this.paintPlane();
      else this.paintBars();
      this.ariaBusy = this.chosen !== this.running;
      this.say(this.judgement(scale));
    }

    judgement(scale) {
      if (this.chosen !== this.running) {
        return `The network <b>${nameOf(this.chosen)}</b> is being loaded.`;
      }
      if (this.pulled) return "The code is yours now, and the picture what the decoder makes of it.";
      if (!this.drawing.some(Boolean)) return "Draw a digit, or choose one below.";
      const error = meanSquare(this.drawing, this.output);
      const { percents, errors } = this.network;
      const passed = percents.filter((_, i) => error > errors[Math.round(10 * scale)][i]).at(-1);
      const digits = scale ? "test digits with as much noise" : "test digits";
      const rank = passed ? `larger than that of ${passed} %` : "smaller than that of 90 %";
      const unusual = passed < 99 ? " An unusual picture." : " A strange picture to this network.";
      const rest = passed >= 90 ? unusual : "";
      return `Squared error <b>${error.toFixed(4)}</b>, ${rank} of the ${digits}.${rest}`;
    }

    say(html) {
      this.find(".error").innerHTML = html;
      clearTimeout(this.later); // a screen reader hears it when the reader pauses
      this.later = setTimeout(() => (this.find(".announced").innerHTML = html), 600);
    }

    // ---- What is drawn ----

    paintDrawing() {
      const canvas = this.find(".drawing");
      paint(canvas, this.input);
      if (!canvas.matches(":focus-visible")) return;
      const context = canvas.getContext("2d");
      const unit = canvas.width / SIDE;
      context.lineWidth = 3;
      context.strokeStyle = this.pen.down ? "#d55e00" : "#56b4e9";
      context.beginPath();
      context.arc(this.pen.x * unit, this.pen.y * unit, PEN * unit, 0, 7);
      context.stroke();
    }

    paintBars() {
      const [low, high] = this.network.code;
      const share = (value) => 100 * clip((value - low) / (high - low));
      [...this.find(".bars").children].forEach((bar, i) => {
        const [bottom, top] = [0, this.code[i]].map(share).sort((a, b) => a - b);
        bar.firstChild.style.cssText = `bottom: ${bottom}%; height: ${top - bottom}%`;
        bar.setAttribute("aria-valuenow", this.code[i].toFixed(1));
      });
      const active = this.code.filter(Boolean).length;
      this.find(".units").textContent = `${active} of ${this.code.length} are not 0`;
    }

    // Where a code of two numbers lies on the plane, and back, in shares of its sides.
    toPlane(code) {
      const limit = this.limit();
      return [0.5 + code[0] / limit / 2, 0.5 - code[1] / limit / 2];
    }

    fromPlane(x, y) {
      const limit = this.limit();
      return Float32Array.of((2 * clip(x) - 1) * limit, (1 - 2 * clip(y)) * limit);
    }

    limit() {
      return Math.max(...this.network.code.map(Math.abs));
    }

    drawMap() {
      const map = new OffscreenCanvas(TILES * SIDE, TILES * SIDE);
      for (let row = 0; row < TILES; row++) {
        for (let column = 0; column < TILES; column++) {
          const code = this.fromPlane((column + 0.5) / TILES, (row + 0.5) / TILES);
          paint(map, this.network.decode(code), column * SIDE, row * SIDE, SIDE);
        }
      }
      return map;
    }

    paintPlane() {
      const canvas = this.find(".plane");
      const context = canvas.getContext("2d");
      context.drawImage(this.map, 0, 0);
      const [x, y] = this.toPlane(this.code).map((share) => share * canvas.width);
      for (const [width, colour] of [[10, "#000"], [5, "#e69f00"]]) {
        context.lineWidth = width;
        context.strokeStyle = colour;
        context.beginPath();
        context.arc(x, y, 14, 0, 7);
        context.stroke();
      }
      this.find(".units").textContent = [...this.code].map((value) => value.toFixed(2)).join(", ");
    }

    addSamples(digits) {
      const letter = LETTER.reduce((image, line) => stroke(image, line), new Float32Array(PIXELS));
      const labels = [...digits.map((_, i) => `Test digit ${i}`), "The letter A"];
      [...digits, letter].forEach((image, i) => {
        const picture = `<canvas width="56" height="56"></canvas>`;
        this.find(".samples").insertAdjacentHTML("beforeend", button("", labels[i], picture));
        const sample = this.find(".samples").lastElementChild;
        paint(sample.firstElementChild, image);
        sample.addEventListener("click", () => this.show(image));
      });
    }

    // ---- What the reader does ----

    listen() {
      const actions = {
        clear: () => this.show(new Float32Array(PIXELS)),
        invert: () => this.show(this.drawing.map((value) => 1 - value)),
        fit: () => this.show(fitted(this.drawing)),
        left: () => this.show(shifted(this.drawing, -1, 0)),
        right: () => this.show(shifted(this.drawing, 1, 0)),
        up: () => this.show(shifted(this.drawing, 0, -1)),
        down: () => this.show(shifted(this.drawing, 0, 1)),
        back: () => this.turn(-TURN),
        forth: () => this.turn(TURN),
        release: () => this.show(this.drawing),
        renew: () => {
          this.noise = noise(++this.seed);
          this.show(this.drawing);
        },
        erase: (it) => {
          this.erasing = !this.erasing;
          it.setAttribute("aria-pressed", this.erasing);
        },
      };
      this.addEventListener("click", ({ target }) => actions[target.dataset.action]?.(target));
      this.find(".networks").addEventListener("change", ({ target }) => this.choose(target.value));
      this.find(".noise input").addEventListener("input", () => this.show(this.drawing));

      const drawing = this.find(".drawing");
      let last;
      drag(drawing, (x, y, starts) => {
        const here = [x * SIDE, y * SIDE];
        this.draw([...(starts ? here : last), ...here]);
        last = here;
      });
      drag(this.find(".plane"), (x, y) => this.setCode(this.fromPlane(x, y)));
      drag(this.find(".bars"), (x, y) => {
        const [low, high] = this.network.code;
        const bar = Math.floor(Math.min(clip(x), 0.999) * this.code.length);
        this.setValue(bar, low + clip(1 - y) * (high - low));
        this.focusBar(bar);
      });

      drawing.addEventListener("focus", () => this.update());
      drawing.addEventListener("blur", () => this.update());
      onKeys(drawing, {
        "Shift+ArrowLeft": actions.left,
        "Shift+ArrowRight": actions.right,
        "Shift+ArrowUp": actions.up,
        "Shift+ArrowDown": actions.down,
        ArrowLeft: () => this.movePen(-1, 0),
        ArrowRight: () => this.movePen(1, 0),
        ArrowUp: () => this.movePen(0, -1),
        ArrowDown: () => this.movePen(0, 1),
        " ": () => {
          this.pen.down = !this.pen.down;
          this.movePen(0, 0);
        },
        "[": actions.back,
        "]": actions.forth,
        Delete: actions.clear,
      });
      const step = () => (this.network.code[1] - this.network.code[0]) / 20;
      const focused = () => [...this.find(".bars").children].indexOf(document.activeElement);
      const change = (amount) => this.setValue(focused(), this.code[focused()] + amount);
      onKeys(this.find(".bars"), {
        ArrowLeft: () => this.focusBar(focused() - 1),
        ArrowRight: () => this.focusBar(focused() + 1),
        ArrowUp: () => change(step()),
        ArrowDown: () => change(-step()),
        Delete: () => this.setValue(focused(), 0),
      });
      const glide = (x, y) => {
        const [left, top] = this.toPlane(this.code);
        this.setCode(this.fromPlane(left + x / 40, top + y / 40));
      };
      onKeys(this.find(".plane"), {
        ArrowLeft: () => glide(-1, 0),
        ArrowRight: () => glide(1, 0),
        ArrowUp: () => glide(0, -1),
        ArrowDown: () => glide(0, 1),
      });
    }

    movePen(right, down) {
      const { x, y } = this.pen;
      this.pen.x = Math.min(SIDE, Math.max(0, x + right));
      this.pen.y = Math.min(SIDE, Math.max(0, y + down));
      if (this.pen.down) this.draw([x, y, this.pen.x, this.pen.y]);
      else this.update();
    }

    // Turns add up from the upright picture, since each turn of a turned one would blur it further.
    turn(degrees) {
      if (this.turned?.picture !== this.drawing) this.turned = { upright: this.drawing, angle: 0 };
      this.turned.angle += degrees;
      this.turned.picture = turned(this.turned.upright, this.turned.angle);
      this.show(this.turned.picture);
    }

    setValue(index, value) {
      const [low, high] = this.network.code;
      this.setCode(this.code.with(index, Math.min(high, Math.max(low, value))));
    }

    focusBar(index) {
      const bars = [...this.find(".bars").children];
      const bar = bars[(index + bars.length) % bars.length];
      bars.forEach((other) => (other.tabIndex = other === bar ? 0 : -1));
      bar.focus();
    }
  }

  // Call `move` with the pointer's place, in shares of the element's sides, while it is pressed.
  function drag(element, move) {
    const send = (event, starts) => {
      const box = element.getBoundingClientRect();
      const passed = event.getCoalescedEvents?.() ?? [];
      for (const { clientX, clientY } of passed.length ? passed : [event]) {
        move((clientX - box.left) / box.width, (clientY - box.top) / box.height, starts);
      }
    };
    element.addEventListener("pointerdown", (event) => {
      if (event.button || !event.isPrimary) return; // a second finger would draw lines to the first
      element.setPointerCapture(event.pointerId);
      send(event, true);
    });
    element.addEventListener("pointermove", (event) => {
      if (element.hasPointerCapture(event.pointerId)) send(event, false);
    });
  }

  function onKeys(element, actions) {
    element.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const shift = event.shiftKey && event.key.startsWith("Arrow") ? "Shift+" : "";
      const action = actions[shift + event.key];
      if (!action) return;
      event.preventDefault();
      action();
    });
  }

  customElements.define("ae-playground", Playground);
})();
