/* framecache: columns of a table that goes on
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "columns.h"
#include "fcctl.h"

#define GAP 2

static const gchar *
title_of (const FcctlColumn *column)
{
  return column->title + (column->title[0] == '>');
}

void
fcctl_columns_measure (FcctlColumn *columns, const gchar *const *row)
{
  for (FcctlColumn *column = columns; column->title != NULL; column++, row++)
    {
      guint width
          = MAX (fcctl_columns (*row), fcctl_columns (title_of (column)));

      if (column->most > 0)
        width = MIN (width, column->most);
      column->width = MAX (column->width, width);
    }
}

/* The rank from which on columns have to go. */
static guint
find_rank (const FcctlColumn *columns, guint width)
{
  guint rank = G_MAXUINT, total, highest;

  if (width == 0)
    return rank;
  do
    {
      total = highest = 0;
      for (const FcctlColumn *column = columns; column->title != NULL; column++)
        if (column->rank < rank)
          {
            total += column->width + (total > 0 ? GAP : 0);
            highest = MAX (highest, column->rank);
          }
      if (total <= width)
        break;
      rank = highest;
    }
  while (rank > 1);
  return MAX (rank, 1);
}

static void
append_cell (GString *line, const FcctlColumn *column, const gchar *text,
             gboolean title)
{
  gboolean right = column->title[0] == '>';
  g_autofree gchar *cell
      = fcctl_cut (title ? title_of (column) : text, column->width);
  gint space = (gint) column->width - (gint) fcctl_columns (cell);

  if (line->len > 0)
    g_string_append_printf (line, "%*s", GAP, "");
  g_string_append_printf (line, "%*s%s%*s", right ? space : 0, "", cell,
                          right ? 0 : space, "");
}

gchar *
fcctl_columns_line (const FcctlColumn *columns, const gchar *const *row,
                    guint width)
{
  g_autoptr (GString) line = g_string_new (NULL);
  guint rank = find_rank (columns, width);
  gsize end;

  for (guint i = 0; columns[i].title != NULL; i++)
    if (columns[i].rank < rank)
      append_cell (line, &columns[i], row != NULL ? row[i] : NULL, row == NULL);
  for (end = line->len; end > 0 && line->str[end - 1] == ' '; end--)
    ;
  g_string_truncate (line, end);
  return width > 0 ? fcctl_cut (line->str, width)
                   : g_string_free (g_steal_pointer (&line), FALSE);
}
