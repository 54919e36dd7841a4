-- What waits is looked for by when it may be tried, so that what was refused and must wait is passed over unread, however much of it there is.
DROP INDEX deliveries_waiting;
CREATE INDEX deliveries_waiting ON deliveries (channel, next_at, event) WHERE state = 'waiting';
-- Behind one that was refused the later events of its subject wait: whether there is such a one is a look.
CREATE INDEX deliveries_held ON deliveries (channel, subject, event) WHERE state = 'waiting' AND next_at > 0;
