/* framecache: what clients may have waiting
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A call waits in this process until the main loop comes to it. A client that
 * calls faster than it is answered would make the process grow, and everybody
 * else wait.
 */
#ifndef FCR_INBOX_H
#define FCR_INBOX_H

#include <gio/gio.h>

G_BEGIN_DECLS

/* From now on each client has so many calls waiting on CONNECTION, or so many
 * bytes of them, and all of them so many; who calls more is told so at once
 * (LimitsExceeded), by the thread that reads the bus. Returns the filter, for
 * g_dbus_connection_remove_filter (). */
guint fcr_inbox_bound (GDBusConnection *connection);

G_END_DECLS

#endif /* FCR_INBOX_H */
