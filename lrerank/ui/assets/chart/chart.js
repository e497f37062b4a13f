// Draws a Plotly figure, and redraws it in place when its data change: zoom and legend stay, no frame is blank.

let loading;
const library = () => (loading ??= new Promise((resolve, reject) => {
  if (window.Plotly) return resolve(window.Plotly);
  const script = document.createElement("script");
  script.src = new URL("plotly-cartesian.min.js", import.meta.url);
  script.onload = () => resolve(window.Plotly);
  script.onerror = () => reject(new Error("the charts' library could not be loaded; reload the page"));
  document.head.append(script);
}));

// Safari has no such thing as idle time.
const whenIdle = (task) => (window.requestIdleCallback ? requestIdleCallback(task) : setTimeout(task, 500));

const drawn = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  // A page without charts has the library fetched for the next one, when there is nothing else to do.
  if (!data.figure) return void whenIdle(() => library().catch(() => {}));
  let place = drawn.get(parentElement);
  if (!place) {
    place = document.createElement("div");
    place.className = "lr-chart";
    parentElement.append(place);
    drawn.set(parentElement, place);
    place.resized = new ResizeObserver(() => {
      if (window.Plotly && place.data && place.offsetParent) window.Plotly.Plots.resize(place);
    });
  }
  place.setAttribute("role", "figure");
  place.setAttribute("aria-label", data.label);
  place.style.height = `${data.height}px`;
  place.pick = setTriggerValue;

  library().then((Plotly) => {
    if (!place.isConnected) return;
    const { traces, layout } = data.figure;
    keepHidden(place.data ?? [], traces);
    // Nothing is ever sent to a server of Plotly's.
    const config = { displaylogo: false, responsive: false, plotlyServerURL: "", showLink: false, showSendToCloud: false,
      modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "sendDataToCloud", "sendChartToCloud"],
      displayModeBar: data.toolbar ? "hover" : false, scrollZoom: false };
    Plotly.react(place, traces, { ...themed(place), ...layout, height: data.height, autosize: true }, config).then(() => {
      place.resized.observe(place);
      if (place.listens) return;
      place.listens = true;
      place.on("plotly_click", ({ points }) => {
        const picked = points.find((point) => point.customdata !== undefined);
        if (picked) place.pick("picked", picked.customdata);
      });
    });
  }, (error) => { place.textContent = error.message; });

  return () => {
    // Streamlit calls this before every redraw; only what has left the page is given up.
    setTimeout(() => {
      if (place.isConnected) return;
      place.resized.disconnect();
      if (window.Plotly) window.Plotly.purge(place);
      drawn.delete(parentElement);
    }, 2000);
  };
}

// What was hidden or shown in the legend stays so, for traces that come later as well.
function keepHidden(before, traces) {
  const hidden = new Map();
  for (const trace of before) {
    if (trace.legendgroup) hidden.set(trace.legendgroup, trace.visible === "legendonly");
  }
  for (const trace of traces) {
    if (hidden.has(trace.legendgroup)) trace.visible = hidden.get(trace.legendgroup) ? "legendonly" : true;
  }
}

// What hangs on the theme is said by the style sheet, which follows the theme without a redraw.
function themed(place) {
  const style = getComputedStyle(place);
  return { font: { family: style.fontFamily, size: 13, color: style.color } };
}
