/* framecache: slot directories by a read-only mount
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A descriptor that was opened read only can be opened again for writing
 * through /proc/self/fd by whoever may write the file: the ring's owner in a
 * sandbox, say. It can not where it was opened on a read-only mount. One
 * thread.
 */
#ifndef FCR_READONLY_H
#define FCR_READONLY_H

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _FcrReadonly FcrReadonly;

FcrReadonly *fcr_readonly_new (void);
/* Takes NULL. */
void fcr_readonly_free (FcrReadonly *readonly);

/* *PATH is one of DIRECTORY, as it is now, on a read-only mount that is nowhere
 * else to be found, good until the next call; NULL where the kernel lets nobody
 * make such a mount here, which is logged once. FALSE with ERROR where it can
 * not be made now. */
gboolean fcr_readonly_path (FcrReadonly *readonly, const gchar *directory,
                            const gchar **path, GError **error);

G_END_DECLS

#endif /* FCR_READONLY_H */
