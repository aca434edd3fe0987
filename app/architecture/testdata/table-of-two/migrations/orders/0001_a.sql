CREATE TABLE things (id TEXT);
