/* framecache: a slot on the bus
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "slot-object.h"

#include <string.h>

#include "bus-errors.h"
#include "names.h"

/* How old the write cursor may be when it is read. */
#define FRESH (100 * G_TIME_SPAN_MILLISECOND)

struct _FcrSlotObject
{
  FcrBusSlot1Skeleton parent_instance;
  FcrStore *store;
  FcrSlot *slot; /* NULL: removed */
  gint64 looked; /* when it was looked at for who read it, us monotonic */
};

static void fcr_slot_object_iface_init (FcrBusSlot1Iface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (
    FcrSlotObject, fcr_slot_object, FCR_BUS_TYPE_SLOT1_SKELETON,
    G_IMPLEMENT_INTERFACE (FCR_BUS_TYPE_SLOT1, fcr_slot_object_iface_init))

gchar *
fcr_slot_object_path (const gchar *name)
{
  GString *path = g_string_new (FCR_SLOT_PATH);

  for (; *name != '\0'; name++)
    if (g_ascii_isalnum (*name))
      g_string_append_c (path, *name);
    else
      g_string_append_printf (path, "_%02x", (guchar) *name);
  return g_string_free (path, FALSE);
}

/* Properties -------------------------------------------------------------- */

static guint64
dropped_by_consumers (const FcrSlot *slot)
{
  guint64 dropped = 0;

  for (guint i = 0; i < slot->consumers->len; i++)
    dropped += g_array_index (slot->consumers, FcrConsumer, i).stat.dropped;
  return dropped;
}

static void
update_cursors (FcrSlotObject *self)
{
  FcrBusSlot1 *bus = FCR_BUS_SLOT1 (self);

  fcr_bus_slot1_set_write_cursor (bus, self->slot->stat.head);
  fcr_bus_slot1_set_dropped (bus, dropped_by_consumers (self->slot));
}

/* The skeleton tells, in one signal, of those that are not what they were. */
void
fcr_slot_object_update (FcrSlotObject *self)
{
  FcrBusSlot1 *bus = FCR_BUS_SLOT1 (self);
  const FcrSlot *slot = self->slot;
  const fc_slot_stat_t *stat = &slot->stat;

  fcr_bus_slot1_set_name (bus, slot->name);
  fcr_bus_slot1_set_format (bus, slot->format);
  fcr_bus_slot1_set_frame_size (bus, stat->frame_size);
  fcr_bus_slot1_set_ring_depth (bus, stat->ring_depth);
  fcr_bus_slot1_set_bytes (bus, stat->bytes_planned);
  fcr_bus_slot1_set_state (bus, fcr_state_name (slot->state));
  fcr_bus_slot1_set_reserved (bus, stat->reserved != 0);
  fcr_bus_slot1_set_generation (bus, stat->generation);
  fcr_bus_slot1_set_epoch (bus, stat->epoch);
  fcr_bus_slot1_set_writer_pid (bus, stat->writer_pid);
  fcr_bus_slot1_set_writer_uid (bus, stat->writer_uid);
  fcr_bus_slot1_set_consumers (bus, stat->consumers);
  fcr_bus_slot1_set_frame_rate (bus, slot->frame_rate);
  fcr_bus_slot1_set_bit_rate (bus, slot->bit_rate);
  fcr_bus_slot1_set_created (bus, stat->created_wall_ns);
  update_cursors (self);
}

/* For a call that looks: an object that the look finds to be over goes off the
 * bus meanwhile. */
static FcrSlotObject *
keep (gpointer object)
{
  return g_object_ref (FCR_SLOT_OBJECT (object));
}

/* FALSE where the slot turns out to be no more. */
static gboolean
look (FcrSlotObject *self)
{
  if (self->slot == NULL)
    return FALSE;
  self->looked = g_get_monotonic_time ();
  fcr_store_refresh (self->store, self->slot);
  if (self->slot == NULL)
    return FALSE;
  update_cursors (self);
  return TRUE;
}

static GVariant *
fcr_slot_object_get_bus_property (GDBusConnection *connection,
                                  const gchar *sender, const gchar *path,
                                  const gchar *interface, const gchar *name,
                                  GError **error, gpointer data)
{
  g_autoptr (FcrSlotObject) self = keep (data);
  GDBusInterfaceSkeletonClass *parent
      = G_DBUS_INTERFACE_SKELETON_CLASS (fcr_slot_object_parent_class);

  if ((g_str_equal (name, "WriteCursor") || g_str_equal (name, "Dropped"))
      && g_get_monotonic_time () - self->looked > FRESH)
    look (self);
  return parent->get_vtable (data)->get_property (connection, sender, path,
                                                  interface, name, error, data);
}

static GDBusInterfaceVTable *
fcr_slot_object_get_vtable (GDBusInterfaceSkeleton *skeleton)
{
  static GDBusInterfaceVTable vtable;

  vtable = *G_DBUS_INTERFACE_SKELETON_CLASS (fcr_slot_object_parent_class)
                ->get_vtable (skeleton);
  vtable.get_property = fcr_slot_object_get_bus_property;
  return &vtable;
}

/* Methods ----------------------------------------------------------------- */

static void
add (GVariantBuilder *builder, const gchar *name, GVariant *value)
{
  g_variant_builder_add (builder, "{sv}", name, value);
}

static gboolean
answer_removed (GDBusMethodInvocation *invocation, const gchar *name)
{
  g_dbus_method_invocation_return_error (invocation, FCR_ERROR,
                                         FCR_ERROR_NOT_FOUND,
                                         "the slot %s was removed", name);
  return TRUE;
}

static gchar *
consumer_name (const FcrConsumer *consumer)
{
  const gchar *name = consumer->stat.name;

  return g_utf8_make_valid (name, strnlen (name, sizeof consumer->stat.name));
}

static GVariant *
describe_consumer (const FcrConsumer *consumer)
{
  const fc_consumer_stat_t *stat = &consumer->stat;
  g_autofree gchar *name = consumer_name (consumer);
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  add (&builder, "pid", g_variant_new_uint32 (stat->pid));
  add (&builder, "uid", g_variant_new_uint32 (stat->uid));
  add (&builder, "name", g_variant_new_string (name));
  add (&builder, "cursor", g_variant_new_uint64 (stat->cursor));
  add (&builder, "lag", g_variant_new_uint64 (consumer->lag));
  add (&builder, "delivered", g_variant_new_uint64 (stat->delivered));
  add (&builder, "dropped", g_variant_new_uint64 (stat->dropped));
  add (&builder, "leases", g_variant_new_uint32 (stat->leases));
  add (&builder, "waiting", g_variant_new_boolean (stat->waiting != 0));
  add (&builder, "attached", g_variant_new_uint64 (stat->attached_wall_ns));
  return g_variant_builder_end (&builder);
}

static gboolean
handle_get_consumers (FcrBusSlot1 *bus, GDBusMethodInvocation *invocation)
{
  g_autoptr (FcrSlotObject) self = keep (bus);
  GVariantBuilder builder;

  if (!look (self))
    return answer_removed (invocation, fcr_bus_slot1_get_name (bus));
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < self->slot->consumers->len; i++)
    g_variant_builder_add_value (
        &builder, describe_consumer (
                      &g_array_index (self->slot->consumers, FcrConsumer, i)));
  fcr_bus_slot1_complete_get_consumers (bus, invocation,
                                        g_variant_builder_end (&builder));
  return TRUE;
}

static const gchar *
share_name (fc_share_t share)
{
  return share == FC_SHARE_ALL     ? "all"
         : share == FC_SHARE_GROUP ? "group"
                                   : "user";
}

static void
add_age (GVariantBuilder *builder, guint64 commit)
{
  guint64 now = (guint64) g_get_monotonic_time () * 1000;

  if (commit != FC_TIME_NONE)
    add (builder, "newest-age",
         g_variant_new_uint64 (now > commit ? now - commit : 0));
}

static GVariant *
describe_stats (const fc_slot_stat_t *stat)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  add (&builder, "write-cursor", g_variant_new_uint64 (stat->head));
  add (&builder, "oldest", g_variant_new_uint64 (stat->oldest));
  add (&builder, "first", g_variant_new_uint64 (stat->first_seq));
  add (&builder, "bytes-written", g_variant_new_uint64 (stat->bytes_total));
  add (&builder, "bytes-allocated",
       g_variant_new_uint64 (stat->bytes_allocated));
  add (&builder, "bytes-planned", g_variant_new_uint64 (stat->bytes_planned));
  add (&builder, "cells-out", g_variant_new_uint32 (stat->cells_out));
  add (&builder, "history-shortened",
       g_variant_new_uint64 (stat->history_shortened));
  add (&builder, "writer-dropped", g_variant_new_uint64 (stat->writer_dropped));
  add (&builder, "latency", g_variant_new_uint64 (stat->latency_ns));
  add_age (&builder, stat->newest_commit_ns);
  add (&builder, "access", g_variant_new_string (share_name (stat->access)));
  add (&builder, "trust", g_variant_new_string (share_name (stat->trust)));
  add (&builder, "owner", g_variant_new_uint32 (stat->owner));
  add (&builder, "group", g_variant_new_uint32 (stat->group));
  add (&builder, "max-consumers", g_variant_new_uint32 (stat->max_consumers));
  add (&builder, "leases", g_variant_new_uint32 (stat->leases));
  add (&builder, "writer-cells", g_variant_new_uint32 (stat->writer_cells));
  return g_variant_builder_end (&builder);
}

static gboolean
handle_get_stats (FcrBusSlot1 *bus, GDBusMethodInvocation *invocation)
{
  g_autoptr (FcrSlotObject) self = keep (bus);

  if (!look (self))
    return answer_removed (invocation, fcr_bus_slot1_get_name (bus));
  fcr_bus_slot1_complete_get_stats (bus, invocation,
                                    describe_stats (&self->slot->stat));
  return TRUE;
}

/* Signals ----------------------------------------------------------------- */

void
fcr_slot_object_tell_attached (FcrSlotObject *self, const FcrConsumer *consumer)
{
  g_autofree gchar *name = consumer_name (consumer);

  fcr_bus_slot1_emit_consumer_attached (
      FCR_BUS_SLOT1 (self), consumer->stat.pid, consumer->stat.uid, name);
}

void
fcr_slot_object_tell_detached (FcrSlotObject *self, const FcrConsumer *consumer)
{
  g_autofree gchar *name = consumer_name (consumer);

  fcr_bus_slot1_emit_consumer_detached (
      FCR_BUS_SLOT1 (self), consumer->stat.pid, consumer->stat.uid, name);
}

/* The object -------------------------------------------------------------- */

static void
fcr_slot_object_iface_init (FcrBusSlot1Iface *iface)
{
  iface->handle_get_consumers = handle_get_consumers;
  iface->handle_get_stats = handle_get_stats;
}

static void
fcr_slot_object_finalize (GObject *object)
{
  FcrSlotObject *self = FCR_SLOT_OBJECT (object);

  g_object_unref (self->store);
  G_OBJECT_CLASS (fcr_slot_object_parent_class)->finalize (object);
}

static void
fcr_slot_object_class_init (FcrSlotObjectClass *class)
{
  G_OBJECT_CLASS (class)->finalize = fcr_slot_object_finalize;
  G_DBUS_INTERFACE_SKELETON_CLASS (class)->get_vtable
      = fcr_slot_object_get_vtable;
}

static void
fcr_slot_object_init (FcrSlotObject *self)
{
}

FcrSlotObject *
fcr_slot_object_new (FcrStore *store, FcrSlot *slot)
{
  FcrSlotObject *self = g_object_new (FCR_TYPE_SLOT_OBJECT, NULL);

  self->store = g_object_ref (store);
  self->slot = slot;
  fcr_slot_object_update (self);
  return self;
}

void
fcr_slot_object_end (FcrSlotObject *self)
{
  self->slot = NULL;
}
