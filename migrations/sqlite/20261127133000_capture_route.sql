-- With the moment of acceptance in the index, copies from before a move are passed by without being read.

DROP INDEX capture_route;
CREATE INDEX capture_route ON capture (route, leg, seq, accepted_at);
