package store

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"stoa/modules/catalog"
	"stoa/platform/db"
)

// Category is a category with what only the tables know of it.
type Category struct {
	Number int64
	Parent int64 // number; 0 at the root
	Depth  int64 // 1 at the root
	catalog.Category
}

const categoryColumns = `c.number, c.parent, c.depth, c.id, c.slug, c.name, p.id, c.path`

const fromCategories = ` FROM categories c LEFT JOIN categories p ON p.number = c.parent`

var (
	getCategory      = db.NewStatement(`SELECT ` + categoryColumns + fromCategories + ` WHERE c.id = $1`)
	categoriesByID   = newLookup(0, `SELECT `+categoryColumns+fromCategories+` WHERE c.id IN ($in)`)
	categoriesByPath = newLookup(0, `SELECT `+categoryColumns+fromCategories+` WHERE c.path IN ($in)`)
	listCategories   = db.NewStatement(`SELECT ` + categoryColumns + fromCategories + ` WHERE c.path > $1 ORDER BY c.path LIMIT $2 + 0`)
	numbersBySlug    = db.NewStatement(`SELECT number FROM categories WHERE slug = $1 LIMIT 2`)
	numberByPath     = db.NewStatement(`SELECT number FROM categories WHERE path = $1`)

	lastCategory     = db.NewStatement(`SELECT coalesce(max(number), 0) FROM categories`)
	insertCategories = newBulk(`INSERT INTO categories (number, parent, depth, id, slug, name, path, created_at, updated_at)`,
		"bigint bigint bigint text text text text bigint bigint", "")
	updateCategory = db.NewStatement(`UPDATE categories SET parent = $2, depth = $3, slug = $4, name = $5, path = $6, updated_at = $7 WHERE number = $1`)
	// Below a path lies what begins with it and "/"; "0" is what comes after "/".
	moveBelow = db.NewStatement(`UPDATE categories SET path = CAST($2 AS TEXT) || substr(path, length(CAST($1 AS TEXT)) + 1), depth = depth + $3, updated_at = $4
		WHERE path >= CAST($1 AS TEXT) || '/' AND path < CAST($1 AS TEXT) || '0'`)
	extentBelow = db.NewStatement(`SELECT coalesce(max(depth), 0), coalesce(max(length(path)), 0) FROM categories
		WHERE path >= CAST($1 AS TEXT) || '/' AND path < CAST($1 AS TEXT) || '0'`)
	hasChildren    = db.NewStatement(`SELECT EXISTS (SELECT 1 FROM categories WHERE parent = $1)`)
	hasProducts    = db.NewStatement(`SELECT EXISTS (SELECT 1 FROM product_categories WHERE category = $1)`)
	deleteCategory = db.NewStatement(`DELETE FROM categories WHERE number = $1`)
)

func scanCategory(r row) (Category, error) {
	var (
		c        Category
		parent   sql.NullInt64
		parentID sql.NullString
	)
	err := r.Scan(&c.Number, &parent, &c.Depth, &c.ID, &c.Slug, &c.Name, &parentID, &c.Path)
	c.Parent = parent.Int64
	if parentID.Valid {
		c.ParentID = &parentID.String
	}
	return c, err
}

// GetCategory gives a category by its id; false where there is none.
func GetCategory(ctx context.Context, c db.Conn, id string) (Category, bool, error) {
	category, err := scanCategory(getCategory.QueryRow(ctx, c, id))
	ok, err := found(err)
	return category, ok, err
}

// CategoriesByID gives categories by their ids; unknown ones are left out.
func CategoriesByID(ctx context.Context, c db.Conn, ids []string) (map[string]Category, error) {
	all := make(map[string]Category, len(ids))
	err := categoriesByID.query(ctx, c, anys(ids), func(rows *sql.Rows) error {
		category, err := scanCategory(rows)
		all[category.ID] = category
		return err
	})
	return all, err
}

// CategoriesByPath gives categories by their paths; unknown ones are left out.
func CategoriesByPath(ctx context.Context, c db.Conn, paths []string) (map[string]Category, error) {
	all := make(map[string]Category, len(paths))
	err := categoriesByPath.query(ctx, c, anys(paths), func(rows *sql.Rows) error {
		category, err := scanCategory(rows)
		all[category.Path] = category
		return err
	})
	return all, err
}

// ListCategories gives categories by path, those after the given one.
func ListCategories(ctx context.Context, c db.Conn, after string, limit int) ([]Category, error) {
	list := []Category{}
	rows, err := listCategories.Query(ctx, c, after, limit)
	err = each(rows, err, func(rows *sql.Rows) error {
		category, err := scanCategory(rows)
		list = append(list, category)
		return err
	})
	return list, err
}

// FindCategory gives the number of the category with a path, or else with a
// slug. It is 0 where there is none; several tells that more than one has the slug.
func FindCategory(ctx context.Context, c db.Conn, slugOrPath string) (number int64, several bool, err error) {
	ok, err := found(numberByPath.QueryRow(ctx, c, slugOrPath).Scan(&number))
	if ok || err != nil || strings.Contains(slugOrPath, "/") {
		return number, false, err
	}
	count := 0
	rows, err := numbersBySlug.Query(ctx, c, slugOrPath)
	err = each(rows, err, func(rows *sql.Rows) error {
		count++
		return rows.Scan(&number)
	})
	return number, count > 1, err
}

// InsertCategories adds categories, parents before children, and gives them
// their numbers. A Parent below 0 is that of the category so many places before
// it in the list.
func InsertCategories(ctx context.Context, tx *db.Tx, list []Category, now time.Time) error {
	var last int64
	if err := lastCategory.QueryRow(ctx, tx).Scan(&last); err != nil {
		return err
	}
	args := make([]any, 0, 9*len(list))
	for i := range list {
		c := &list[i]
		c.Number = last + 1 + int64(i)
		if c.Parent < 0 {
			c.Parent += c.Number
		}
		args = append(args, c.Number, orNull(c.Parent), c.Depth, c.ID, c.Slug, c.Name, c.Path, db.NewTime(now), db.NewTime(now))
	}
	return insertCategories.insert(ctx, tx, args)
}

// orNull gives a number as it is stored where 0 stands for none.
func orNull(number int64) sql.NullInt64 { return sql.NullInt64{Int64: number, Valid: number != 0} }

// UpdateCategory changes a category, the paths of all below it, and where the
// products of all of them are listed.
func UpdateCategory(ctx context.Context, tx *db.Tx, before, after Category, now time.Time) error {
	at := db.NewTime(now)
	if _, err := updateCategory.Exec(ctx, tx, after.Number, orNull(after.Parent), after.Depth, after.Slug, after.Name, after.Path, at); err != nil {
		return err
	}
	if before.Path == after.Path {
		return nil
	}
	if _, err := moveBelow.Exec(ctx, tx, before.Path, after.Path, after.Depth-before.Depth, at); err != nil {
		return err
	}
	if before.Parent == after.Parent {
		return nil
	}
	return relistMoved(ctx, tx, before, after)
}

// ExtentBelow gives the greatest depth and the longest path, in characters, of
// what lies below a category; 0 where nothing does.
func ExtentBelow(ctx context.Context, c db.Conn, path string) (depth, length int64, err error) {
	err = extentBelow.QueryRow(ctx, c, path).Scan(&depth, &length)
	return depth, length, err
}

// CategoryInUse tells whether a category has children, and whether products.
func CategoryInUse(ctx context.Context, c db.Conn, number int64) (children, products bool, err error) {
	if err := hasChildren.QueryRow(ctx, c, number).Scan(&children); err != nil {
		return false, false, err
	}
	err = hasProducts.QueryRow(ctx, c, number).Scan(&products)
	return children, products, err
}

// DeleteCategory deletes a category that has neither children nor products.
func DeleteCategory(ctx context.Context, tx *db.Tx, number int64) error {
	_, err := deleteCategory.Exec(ctx, tx, number)
	return err
}

// Ancestry gives a path and those of all above it, the root first.
func Ancestry(path string) []string {
	var paths []string
	for i := range len(path) {
		if path[i] == '/' {
			paths = append(paths, path[:i])
		}
	}
	return append(paths, path)
}
