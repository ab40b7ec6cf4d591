/* framecache: what comes and goes in a slot directory
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FCR_WATCH_H
#define FCR_WATCH_H

#include <gio/gio.h>

G_BEGIN_DECLS

/* SLOT's ring came, went, or was touched by a writer that begins or ends; NULL:
 * the directory itself came or went, and with it anything. */
typedef void (*FcrWatchFunc) (const gchar *slot, gpointer user_data);

typedef struct _FcrWatch FcrWatch;

/* PATH need not exist. Calls FUNC from the thread's default main context, and
 * from fcr_watch_check (). */
FcrWatch *fcr_watch_new (const gchar *path, FcrWatchFunc func,
                         gpointer user_data);
void fcr_watch_free (FcrWatch *watch);
/* See whether the directory is another one by now. Cheap: once a second. */
void fcr_watch_check (FcrWatch *watch);
/* FALSE where nothing tells what comes: inotify has its bounds. */
gboolean fcr_watch_is_told (FcrWatch *watch);

G_END_DECLS

#endif /* FCR_WATCH_H */
