-- Sends the requests of a file, one body a line, each thread from another place on; says what came of it as JSON.
local requests, at, thread = {}, 0, 0

function setup(each)
  each:set("start", thread)
  thread = thread + 1
end

function init()
  local bodies = os.getenv("BENCH_BODIES")
  if not bodies then return end
  local headers = { ["Content-Type"] = "application/json" }
  for body in io.lines(bodies) do
    requests[#requests + 1] = wrk.format("POST", os.getenv("BENCH_PATH"), headers, body)
  end
  at = start * 7919
end

if os.getenv("BENCH_BODIES") then
  function request()
    at = at % #requests + 1
    return requests[at]
  end
end

function done(summary, latency)
  local failed = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "seconds": %.6f, "failed": %d, "p50": %.3f, "p99": %.3f}\n',
    summary.requests, summary.duration / 1e6,
    failed.connect + failed.read + failed.write + failed.status + failed.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
