-- What Marzban's API knows of a user beside what a user is (docs/marzban.md).

-- The protocols that he has, with what of their inbounds he has not:
-- {"vless": {"flow": "xtls-rprx-vision", "excluded": ["tag"]}, "shadowsocks": {"method": "aes-256-gcm"}}; NULL = all of them.
ALTER TABLE users ADD COLUMN marzban TEXT;
-- Values that begin instead of a plan: {"data_limit": bytes, "expire": second}. `next_plan` is '' then, the name of no plan.
ALTER TABLE users ADD COLUMN next_values TEXT;
