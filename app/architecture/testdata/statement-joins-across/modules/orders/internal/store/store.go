package store

const titles = `SELECT p.title FROM lines AS l JOIN products AS p ON p.id = l.product_id`
