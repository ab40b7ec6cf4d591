/* framecache: the registry's calls, as a reader makes them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Each waits for its answer, a few seconds at the most. Nothing that a registry
 * says is believed but the descriptors, and those are libfc's to judge.
 */
#ifndef GST_FC_REGISTRY_H
#define GST_FC_REGISTRY_H

#include <gio/gio.h>

G_BEGIN_DECLS

#define GST_FC_REGISTRY_NAME "org.framecache.Registry1"
#define GST_FC_REGISTRY_PATH "/org/framecache/Registry1"
#define GST_FC_REGISTRY_SLOT_INTERFACE "org.framecache.Slot1"
#define GST_FC_REGISTRY_NOT_FOUND "org.framecache.Error.NotFound"
#define GST_FC_REGISTRY_NOT_PERMITTED "org.framecache.Error.NotPermitted"

/* The object that SLOT is. */
gchar *gst_fc_registry_slot_path (const gchar *slot);

/* A connection of the caller's own: one that a process shares ends the process
 * when the bus goes. This alone can be cancelled: GLib loses an answer, and the
 * descriptors in it, that comes while its call is being cancelled. */
GDBusConnection *gst_fc_registry_connect (GBusType bus,
                                          GCancellable *cancellable,
                                          GError **error);

/* Whether its slots are those of DIRECTORY; where not, with
 * G_IO_ERROR_NOT_FOUND. */
gboolean gst_fc_registry_is_of (GDBusConnection *connection,
                                const gchar *directory, GDBusCallFlags flags,
                                GError **error);

/* The caller's descriptors of SLOT's ring and of its table, which is -1 for
 * who is to observe. */
gboolean gst_fc_registry_open_slot (GDBusConnection *connection,
                                    const gchar *slot, GDBusCallFlags flags,
                                    int *ring_fd, int *table_fd,
                                    GError **error);

G_END_DECLS

#endif /* GST_FC_REGISTRY_H */
