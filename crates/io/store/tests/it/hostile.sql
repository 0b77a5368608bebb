INSERT INTO ledger_kind (id, account, route, vendor, model, endpoint, stream, outcome, status, attempts, currency, reason, verdict) VALUES
    (1001, 'acme', 'chat', 'zhipu', 'glm-4.7', 'chat', 0, 'answered', 200, 9223372036854775807, 'CNY', 'rehearsal', NULL),
    (1002, 'acme', 'chat', 'zhipu', 'glm-4.7', 'chat', 0, 'exploded', 200, 9223372036854775807, 'CNY', 'rehearsal', NULL),
    (1003, 'acme', 'chat', 'zhipu', 'glm-4.7', 'chat', 0, 'answered', 200, 1, 'GOLD', NULL, NULL),
    (1004, 'acme', 'chat', 'zhipu', 'glm-4.7', 'chat', 0, 'answered', 200, 1, 'CNY', 'order', NULL);
INSERT INTO ledger_entry (accepted_at, request_id, ended_at, kind, prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, cost_micros, losses) VALUES
    (1000, 'req_00000000000000000000000000000001', 1100, 1001, 9223372036854775807, 9223372036854775807, 9223372036854775807, 9223372036854775807, 9223372036854775807, NULL),
    (1001, 'req_00000000000000000000000000000002', 1101, 1002, 1, 9223372036854775807, 0, 0, 9223372036854775807, NULL),
    (1002, 'req_00000000000000000000000000000003', 1102, 1003, 5, 5, -5, -9223372036854775808, 1, NULL),
    (1003, 'req_00000000000000000000000000000004', 1103, 1004, NULL, NULL, NULL, NULL, NULL, '{not json'),
    (1004, 'req_00000000000000000000000000000005', 9223372036854775807, 1004, NULL, NULL, NULL, NULL, NULL, NULL),
    (1006, 'req_00000000000000000000000000000006', 1106, 1004, 1, NULL, NULL, NULL, 9223372036854775807, NULL),
    (1007, 'req_00000000000000000000000000000007', 1107, 1004, 1, NULL, NULL, NULL, 9223372036854775807, NULL),
    (1005, 'no request', 1105, 1004, NULL, NULL, NULL, NULL, NULL, '["x", {"param": "y", "level": "lost"}]');
INSERT INTO accepted (minute, requests) VALUES (0, 9223372036854775807), (60000, 9223372036854775807);
INSERT INTO capture (id, leg, number, accepted_at, route, vendor, model, endpoint, stream, outcome, cost_micros, currency, total_ms, redactions, request_bytes, answer_bytes, request) VALUES
    ('a', 'shadow', 0, 1000, 'chat', 'zhipu', 'glm-4.7', 'chat', 0, 'answered', 9223372036854775807, 'CNY', 9223372036854775807, 9223372036854775807, 9223372036854775807, 9223372036854775807, x'00'),
    ('b', 'ghost', 0, 1000, 'other', 'zhipu', 'glm-4.7', 'chat', 0, 'exploded', 1, 'GOLD', 'soon', 0, 1, 1, x'00'),
    ('c', 'live', 0, 1000, 'other', 'zhipu', 'glm-4.7', 'chat', 0, 'answered', 1, 'GOLD', 1, 0, 1, 1, x'00');
INSERT INTO cut (vendor, cut_at, evidence) VALUES ('openai', 1, '{not json');
INSERT INTO move (id, text, version, created_at) VALUES ('spring', 'not = "a move"', 2, 1);
INSERT INTO move_event (move, seq, at, actor, body) VALUES ('spring', 1, 1, 'kim', '{}'), ('spring', 2, 2, 'kim', '{not json');
