-- Arguments after `--`, as name=value:
--   body=N       POST N bytes instead of GET
--   paths=N      N different paths, in a random order
--   hosts=N      with paths: spread over N hosts, as bench/manifests.ts names them
-- Prints the figures of the run as one line of JSON, after wrk's own report.

local function requests(hosts, paths)
  local list = {}
  for path = 0, paths - 1 do
    for host = 0, math.max(hosts, 1) - 1 do
      if hosts > 0 then
        wrk.headers["Host"] = string.format("host-%d.bench.test", host)
        list[#list + 1] = wrk.format(nil, string.format("/path-%d/page", path))
      else
        list[#list + 1] = wrk.format(nil, string.format("/articles/%d/a-rather-usual-title?page=%d", path * 7919, path % 10))
      end
    end
  end
  math.randomseed(7)
  for i = #list, 2, -1 do
    local j = math.random(i)
    list[i], list[j] = list[j], list[i]
  end
  return list
end

function init(args)
  local options = {}
  for _, argument in ipairs(args) do
    local name, value = argument:match("^(%w+)=(%d+)$")
    if name then options[name] = tonumber(value) end
  end
  if options.body then
    wrk.method = "POST"
    wrk.body = string.rep("0123456789abcdef", options.body / 16)
  end
  if options.paths then
    local list, next_index = requests(options.hosts or 0, options.paths), 0
    -- wrk calls a global `request` before each request; without one it repeats the first.
    request = function()
      next_index = next_index % #list + 1
      return list[next_index]
    end
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"completed":%d,"seconds":%.6f,"bytes":%d,"p50Us":%d,"p99Us":%d,"errors":%d}\n',
    summary.requests, summary.duration / 1e6, summary.bytes,
    latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.timeout + errors.status))
end
