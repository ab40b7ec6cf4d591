/* framecache: what logind does to shared memory
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FCCTL_LOGIND_H
#define FCCTL_LOGIND_H

#include <glib.h>

G_BEGIN_DECLS

/* Whether systemd-logind runs here. */
gboolean fcctl_logind_runs (void);
/* Whether it removes what a user has in /dev/shm when the user's last session
 * ends; *FILE, the caller's, is the one that says so, NULL where none does and
 * it is the default. */
gboolean fcctl_logind_removes_ipc (gchar **file);
/* Whether that is done to UID: not to system users, nor to ones that stay
 * (loginctl enable-linger). */
gboolean fcctl_logind_removes_from (guint uid);

G_END_DECLS

#endif /* FCCTL_LOGIND_H */
