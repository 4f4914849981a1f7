-- Deletes a mailbox; with children its name stays and cannot be selected (RFC 3501 §6.3.4).
-- own: name · reply: '' · errors: MAILBOX_NOT_FOUND, INBOX_REQUIRED, MAILBOX_HAS_CHILDREN
local function run()
  begin()
  local name = ARGV[OWN + 1]
  if name == 'INBOX' then refuse('INBOX_REQUIRED', 'INBOX cannot be deleted') end
  local entry = name_entry(name)
  if not exists(entry) then refuse('MAILBOX_NOT_FOUND', 'no such mailbox') end
  local parent = has_children(name)
  if parent and entry.noselect then refuse('MAILBOX_HAS_CHILDREN', 'the mailbox has children') end
  next_seq()
  local id = entry.id
  if id ~= '0' then
    effect('H', P .. ':m:' .. id, 'gone', '1')
    effect('Z', SHARD .. ':dead', int(NOW), ACCOUNT .. '|' .. id)
  end
  if parent then
    set_name(name, { id = '0', subscribed = entry.subscribed, use = '0', noselect = true })
  elseif entry.subscribed == '1' then
    set_name(name, { id = '0', subscribed = '1', use = '0' })
  else
    effect('R', P .. ':n', name)
  end
  return commit('', event(7, tonumber(id), 0, nil, name))
end
