-- Forgets a finished or undone operation.
-- KEYS[1] {s0421}:a:-, or any account of the shard · own: operation key · reply: ''
local function run()
  begin_shard()
  effect('D', ARGV[OWN + 1])
  effect('Y', SHARD .. ':ops', ARGV[OWN + 1])
  return commit('')
end
