-- Subscribes or unsubscribes a name, which need not exist (RFC 3501 §6.3.6).
-- own: name, '1' or '0' · reply: '' · errors: LIMIT
local function run()
  begin()
  local name, wanted = ARGV[OWN + 1], ARGV[OWN + 2]
  local entry = name_entry(name)
  if (entry and entry.subscribed or '0') == wanted then
    without_seq()
    return commit('')
  end
  next_seq()
  if not entry then
    check_limit(1)
    entry = { id = '0', use = '0' }
  end
  entry.subscribed = wanted
  if wanted == '0' and not exists(entry) then effect('R', P .. ':n', name) else set_name(name, entry) end
  return commit('', event(9, tonumber(entry.id), 0, nil, name))
end
