-- Takes a body off the garbage list when it is deleted, or when others share it (references.lua).
-- KEYS[1] {s0421}:a:-
-- own: member of the list · reply: '1' when it was on it
local function run()
  begin_shard()
  if not redis.call('ZSCORE', SHARD .. ':garbage', ARGV[OWN + 1]) then return '0' end
  effect('Y', SHARD .. ':garbage', ARGV[OWN + 1])
  return commit('1')
end
