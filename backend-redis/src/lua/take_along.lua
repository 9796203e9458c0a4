-- Behind a verb, in the same script: takes what a waiting call of the same process asked for.
-- ARGV: count of the verb's arguments, these, the arguments of the taking. {answer of the verb,
-- what was taken}; the latter is nothing when taking failed, which undoes nothing of the verb.
later = {}
local count = tonumber(ARGV[1])
local answer = verb({ unpack(ARGV, 2, count + 1) })
local ok, taken = pcall(take, { unpack(ARGV, count + 2) })
for _, rings in ipairs(later) do
  if call('EXISTS', rings[2]) == 1 then ring(rings[1]) end
end
return { answer, ok and taken }
