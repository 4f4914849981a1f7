-- Creates an account with its mailboxes; a repeat by any request finds it there.
-- own: address, credential, then name and special use (number) of each mailbox, INBOX first
-- reply: '' · errors: ACCOUNT_EXISTS
local function run()
  begin_shard()
  if redis.call('EXISTS', P) == 1 then refuse('ACCOUNT_EXISTS', 'the account is there') end
  local seq, uidv = 0, math.floor(NOW / 1000)
  for i = OWN + 3, #ARGV, 2 do
    seq, uidv = seq + 1, uidv + 1
    effect('H', P .. ':n', ARGV[i], int(seq) .. '|1|' .. ARGV[i + 1])
    effect('H', P .. ':m:' .. int(seq), 'name', ARGV[i], 'uidv', int(uidv), 'uidnext', '1', 'modseq', int(seq),
      'count', '0', 'unseen', '0', 'deleted', '0', 'size', '0', 'recent', '1', 'tombs', '0', 'oldest', '0',
      'inc', int(account.inc))
  end
  account.seq = seq
  account.was = seq
  effect('H', P, 'seq', int(seq), 'inc', int(account.inc), 'epoch', '1', 'cred', ARGV[OWN + 2], 'addr', ARGV[OWN + 1],
    'aliases', '', 'ctime', int(NOW), 'uidv', int(uidv))
  return commit('', event(10))
end
