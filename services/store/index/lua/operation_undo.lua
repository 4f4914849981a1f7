-- Ends a larger command in the middle: none of its steps is done any more, so that those before can be undone.
-- KEYS[1] SHARD:a:-, or any account of the shard · own: operation key
-- reply: '1', or '' when it is finished or undone already
local function run()
  begin_shard()
  if redis.call('EXISTS', ARGV[OWN + 1]) == 0 then return '' end
  effect('H', ARGV[OWN + 1], 'undo', '1')
  return commit('1')
end
