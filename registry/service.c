/* framecache: the registry on a bus
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "service.h"

#include <unistd.h>

#include "bus-errors.h"
#include "bus-options.h"
#include "callers.h"
#include "hand-over.h"
#include "inbox.h"
#include "names.h"
#include "readonly.h"
#include "sizes-private.h"
#include "slot-object.h"

struct _FcrService
{
  FcrBusRegistry1Skeleton parent_instance;
  FcrStore *store;
  GDBusObjectManagerServer *manager;
  FcrCallers *callers;
  FcrReadonly *readonly;
  guint inbox;
};

static void fcr_service_iface_init (FcrBusRegistry1Iface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (FcrService, fcr_service,
                               FCR_BUS_TYPE_REGISTRY1_SKELETON,
                               G_IMPLEMENT_INTERFACE (FCR_BUS_TYPE_REGISTRY1,
                                                      fcr_service_iface_init))

/* Answers ----------------------------------------------------------------- */

/* The slot that a call is about: the object's, or the first argument. */
static const gchar *
slot_name (GDBusMethodInvocation *invocation)
{
  const gchar *name = g_object_get_data (G_OBJECT (invocation), "fcr-slot");

  if (name == NULL)
    g_variant_get_child (g_dbus_method_invocation_get_parameters (invocation),
                         0, "&s", &name);
  return name;
}

/* The last argument. */
static GVariant *
options_of (GDBusMethodInvocation *invocation)
{
  GVariant *arguments = g_dbus_method_invocation_get_parameters (invocation);

  return g_variant_get_child_value (arguments,
                                    g_variant_n_children (arguments) - 1);
}

/* For who wants to know what happened. */
static void
log_call (GDBusMethodInvocation *invocation, const FcrCaller *caller,
          const gchar *name)
{
  g_autofree gchar *quoted = fcr_sizes_quote (name);

  g_info ("user %u (%s) calls %s %s", caller->uid,
          g_dbus_method_invocation_get_sender (invocation),
          g_dbus_method_invocation_get_method_name (invocation), quoted);
}

static const gchar *
path_of (const FcrSlot *slot)
{
  return g_dbus_interface_skeleton_get_object_path (slot->user_data);
}

/* NULL where there is none, which INVOCATION has been told then. */
static FcrSlot *
find_slot (FcrService *self, GDBusMethodInvocation *invocation,
           const gchar *name)
{
  FcrSlot *slot = NULL;
  GError *error = NULL;

  if (fcr_check_name (name, &error))
    slot = fcr_store_lookup (self->store, name);
  if (slot == NULL && error == NULL)
    g_set_error (&error, FCR_ERROR, FCR_ERROR_NOT_FOUND,
                 "there is no slot %s in %s", name,
                 fcr_store_directory (self->store));
  if (error != NULL)
    fcr_bus_errors_return (invocation, error);
  return slot;
}

/* Slots to and fro -------------------------------------------------------- */

static void
slot_created (GObject *source, GAsyncResult *result, gpointer data)
{
  GDBusMethodInvocation *invocation = data;
  GError *error = NULL;
  FcrSlot *slot = fcr_store_create_finish (FCR_STORE (source), result, &error);

  if (slot == NULL)
    fcr_bus_errors_return (invocation, error);
  else
    fcr_bus_registry1_complete_create_slot (NULL, invocation, path_of (slot));
}

/* Who may make somebody else the owner: root, or who runs the registry, for
 * whom it can do no more than they can do without it. */
static gboolean
may_give_away (const FcrCaller *caller, const FcrSlotOptions *parsed,
               GError **error)
{
  if (!parsed->owner_set || parsed->owner == caller->uid || caller->uid == 0
      || caller->uid == geteuid ())
    return TRUE;
  g_set_error (error, FCR_ERROR, FCR_ERROR_NOT_PERMITTED,
               "user %u may not make a slot that belongs to user %u; leave the "
               "option owner out, or have root make it",
               caller->uid, parsed->owner);
  return FALSE;
}

static void
create_slot (GDBusMethodInvocation *invocation, const FcrCaller *caller,
             gpointer data)
{
  FcrService *self = data;
  g_autoptr (GVariant) given = options_of (invocation);
  g_auto (FcrSlotOptions) parsed = FCR_SLOT_OPTIONS_INIT;
  fc_writer_options_t options;
  GError *error = NULL;

  log_call (invocation, caller, slot_name (invocation));
  if (fcr_slot_options_parse (&parsed, given, &error)
      && fcr_sizes_resolve (&parsed.sizes, &options, &error)
      && may_give_away (caller, &parsed, &error))
    fcr_store_create (self->store, slot_name (invocation), &options,
                      parsed.owner_set ? parsed.owner : caller->uid,
                      slot_created, invocation);
  else
    fcr_bus_errors_return (invocation, error);
}

static gboolean
handle_create_slot (FcrBusRegistry1 *bus, GDBusMethodInvocation *invocation,
                    const gchar *name, GVariant *options)
{
  FcrService *self = FCR_SERVICE (bus);

  fcr_callers_ask (self->callers, invocation, create_slot, self);
  return TRUE;
}

static void
slot_removed (GObject *source, GAsyncResult *result, gpointer data)
{
  GDBusMethodInvocation *invocation = data;
  GError *error = NULL;

  if (fcr_store_remove_finish (FCR_STORE (source), result, &error))
    g_dbus_method_invocation_return_value (invocation, NULL);
  else
    fcr_bus_errors_return (invocation, error);
}

static void
remove_slot (GDBusMethodInvocation *invocation, const FcrCaller *caller,
             gpointer data)
{
  FcrService *self = data;
  g_autoptr (GVariant) options = options_of (invocation);
  gboolean force;
  GError *error = NULL;

  log_call (invocation, caller, slot_name (invocation));
  if (fcr_flag_option_parse (options, "force", &force, &error))
    fcr_store_remove (self->store, slot_name (invocation), force, slot_removed,
                      invocation);
  else
    fcr_bus_errors_return (invocation, error);
}

static gboolean
handle_remove_slot (FcrBusRegistry1 *bus, GDBusMethodInvocation *invocation,
                    const gchar *name, GVariant *options)
{
  FcrService *self = FCR_SERVICE (bus);

  fcr_callers_ask (self->callers, invocation, remove_slot, self);
  return TRUE;
}

static gboolean
handle_remove (FcrBusSlot1 *bus, GDBusMethodInvocation *invocation,
               GVariant *options, gpointer data)
{
  FcrService *self = data;

  g_object_set_data_full (G_OBJECT (invocation), "fcr-slot",
                          fcr_bus_slot1_dup_name (bus), g_free);
  fcr_callers_ask (self->callers, invocation, remove_slot, self);
  return TRUE;
}

static void
garbage_collected (GObject *source, GAsyncResult *result, gpointer data)
{
  GDBusMethodInvocation *invocation = data;
  GError *error = NULL;
  g_auto (GStrv) names
      = fcr_store_collect_finish (FCR_STORE (source), result, &error);

  if (names == NULL)
    fcr_bus_errors_return (invocation, error);
  else
    fcr_bus_registry1_complete_collect_garbage (NULL, invocation,
                                                (const gchar *const *) names);
}

static void
collect_garbage (GDBusMethodInvocation *invocation, const FcrCaller *caller,
                 gpointer data)
{
  FcrService *self = data;

  log_call (invocation, caller, "");
  fcr_store_collect (self->store, garbage_collected, invocation);
}

static gboolean
handle_collect_garbage (FcrBusRegistry1 *bus, GDBusMethodInvocation *invocation)
{
  FcrService *self = FCR_SERVICE (bus);

  fcr_callers_ask (self->callers, invocation, collect_garbage, self);
  return TRUE;
}

/* Looking ----------------------------------------------------------------- */

static gboolean
handle_list_slots (FcrBusRegistry1 *bus, GDBusMethodInvocation *invocation)
{
  FcrService *self = FCR_SERVICE (bus);
  g_autoptr (GPtrArray) slots = fcr_store_list (self->store);
  g_autofree const gchar **paths = g_new0 (const gchar *, slots->len + 1);

  for (guint i = 0; i < slots->len; i++)
    paths[i] = path_of (g_ptr_array_index (slots, i));
  fcr_bus_registry1_complete_list_slots (bus, invocation, paths);
  return TRUE;
}

static gboolean
handle_get_slot (FcrBusRegistry1 *bus, GDBusMethodInvocation *invocation,
                 const gchar *name)
{
  FcrSlot *slot = find_slot (FCR_SERVICE (bus), invocation, name);

  if (slot != NULL)
    fcr_bus_registry1_complete_get_slot (bus, invocation, path_of (slot));
  return TRUE;
}

static GVariant *
describe_plan (FcrService *self, const fc_writer_options_t *options,
               const fc_plan_t *plan)
{
  guint64 budget = fcr_store_budget (self->store);
  guint64 used = fcr_store_bytes_used (self->store);
  guint64 left = budget == 0 ? G_MAXUINT64 : budget - MIN (budget, used);
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "frame-size", "t", options->frame_size);
  g_variant_dict_insert (&dict, "ring-depth", "u", options->ring_depth);
  g_variant_dict_insert (&dict, "cells", "u", plan->cells_planned);
  g_variant_dict_insert (&dict, "bytes-initial", "t", plan->bytes_initial);
  g_variant_dict_insert (&dict, "bytes-planned", "t", plan->bytes_planned);
  g_variant_dict_insert (&dict, "bytes-free", "t", plan->bytes_free);
  if (budget != 0)
    g_variant_dict_insert (&dict, "bytes-left", "t", left);
  g_variant_dict_insert (&dict, "fits", "b",
                         plan->fits && plan->bytes_planned <= left);
  g_variant_dict_insert (&dict, "directory", "s", plan->dir);
  return g_variant_dict_end (&dict);
}

static gboolean
handle_plan (FcrBusRegistry1 *bus, GDBusMethodInvocation *invocation,
             GVariant *given)
{
  FcrService *self = FCR_SERVICE (bus);
  g_auto (FcrSlotOptions) parsed = FCR_SLOT_OPTIONS_INIT;
  fc_plan_t plan;
  fc_writer_options_t options;
  GError *error = NULL;

  if (fcr_slot_options_parse (&parsed, given, &error)
      && fcr_sizes_resolve (&parsed.sizes, &options, &error)
      && fcr_store_plan (self->store, &options, &plan, &error))
    fcr_bus_registry1_complete_plan (bus, invocation,
                                     describe_plan (self, &options, &plan));
  else
    fcr_bus_errors_return (invocation, error);
  return TRUE;
}

/* Handing over ------------------------------------------------------------ */

static void
open_slot (GDBusMethodInvocation *invocation, const FcrCaller *caller,
           gpointer data)
{
  FcrService *self = data;
  g_autoptr (GVariant) options = options_of (invocation);
  gboolean observe;
  GError *error = NULL;
  FcrSlot *slot;

  log_call (invocation, caller, slot_name (invocation));
  if (!fcr_flag_option_parse (options, "observe", &observe, &error))
    fcr_bus_errors_return (invocation, error);
  else if ((slot = find_slot (self, invocation, slot_name (invocation))))
    fcr_hand_over (invocation, caller, slot, observe, self->readonly);
}

static gboolean
handle_open_slot (FcrBusRegistry1 *bus, GDBusMethodInvocation *invocation,
                  GUnixFDList *list, const gchar *name, GVariant *options)
{
  FcrService *self = FCR_SERVICE (bus);

  fcr_callers_ask (self->callers, invocation, open_slot, self);
  return TRUE;
}

/* What the store tells ---------------------------------------------------- */

static void
update_totals (FcrService *self)
{
  FcrBusRegistry1 *bus = FCR_BUS_REGISTRY1 (self);

  fcr_bus_registry1_set_directory (bus, fcr_store_directory (self->store));
  fcr_bus_registry1_set_bytes_used (bus, fcr_store_bytes_used (self->store));
  fcr_bus_registry1_set_slots (bus, fcr_store_n_slots (self->store));
}

static void
on_slot_added (FcrStore *store, FcrSlot *slot, FcrService *self)
{
  g_autofree gchar *path = fcr_slot_object_path (slot->name);
  g_autoptr (GDBusObjectSkeleton) object = g_dbus_object_skeleton_new (path);

  slot->user_data = fcr_slot_object_new (store, slot);
  g_signal_connect_object (slot->user_data, "handle-remove",
                           G_CALLBACK (handle_remove), self, 0);
  g_dbus_object_skeleton_add_interface (object, slot->user_data);
  g_dbus_object_manager_server_export (self->manager, object);
  update_totals (self);
}

static void
take_slot_off (FcrService *self, FcrSlot *slot)
{
  g_autoptr (FcrSlotObject) object = g_steal_pointer (&slot->user_data);
  g_autofree gchar *path = fcr_slot_object_path (slot->name);

  fcr_slot_object_end (object);
  g_dbus_object_manager_server_unexport (self->manager, path);
}

static void
on_slot_removed (FcrStore *store, FcrSlot *slot, FcrService *self)
{
  take_slot_off (self, slot);
  update_totals (self);
}

static void
on_slot_changed (FcrStore *store, FcrSlot *slot, FcrService *self)
{
  fcr_slot_object_update (slot->user_data);
  update_totals (self);
}

static void
on_consumer_attached (FcrStore *store, FcrSlot *slot,
                      const FcrConsumer *consumer, FcrService *self)
{
  fcr_slot_object_tell_attached (slot->user_data, consumer);
}

static void
on_consumer_detached (FcrStore *store, FcrSlot *slot,
                      const FcrConsumer *consumer, FcrService *self)
{
  fcr_slot_object_tell_detached (slot->user_data, consumer);
}

static void
on_lapped (FcrStore *store, FcrSlot *slot, guint pid, guint64 dropped,
           FcrService *self)
{
  fcr_bus_slot1_emit_lapped (slot->user_data, pid, dropped);
}

/* The object -------------------------------------------------------------- */

static GVariant *
fcr_service_get_bus_property (GDBusConnection *connection, const gchar *sender,
                              const gchar *path, const gchar *interface,
                              const gchar *name, GError **error, gpointer data)
{
  FcrService *self = FCR_SERVICE (data);
  GDBusInterfaceSkeletonClass *parent
      = G_DBUS_INTERFACE_SKELETON_CLASS (fcr_service_parent_class);

  if (g_str_equal (name, "BytesFree"))
    fcr_bus_registry1_set_bytes_free (FCR_BUS_REGISTRY1 (self),
                                      fcr_store_bytes_free (self->store));
  return parent->get_vtable (data)->get_property (connection, sender, path,
                                                  interface, name, error, data);
}

static GDBusInterfaceVTable *
fcr_service_get_vtable (GDBusInterfaceSkeleton *skeleton)
{
  static GDBusInterfaceVTable vtable;

  vtable = *G_DBUS_INTERFACE_SKELETON_CLASS (fcr_service_parent_class)
                ->get_vtable (skeleton);
  vtable.get_property = fcr_service_get_bus_property;
  return &vtable;
}

static void
fcr_service_iface_init (FcrBusRegistry1Iface *iface)
{
  iface->handle_create_slot = handle_create_slot;
  iface->handle_remove_slot = handle_remove_slot;
  iface->handle_list_slots = handle_list_slots;
  iface->handle_get_slot = handle_get_slot;
  iface->handle_open_slot = handle_open_slot;
  iface->handle_plan = handle_plan;
  iface->handle_collect_garbage = handle_collect_garbage;
}

static void
fcr_service_dispose (GObject *object)
{
  FcrService *self = FCR_SERVICE (object);

  g_clear_object (&self->store);
  g_clear_object (&self->manager);
  g_clear_pointer (&self->callers, fcr_callers_free);
  g_clear_pointer (&self->readonly, fcr_readonly_free);
  G_OBJECT_CLASS (fcr_service_parent_class)->dispose (object);
}

static void
fcr_service_class_init (FcrServiceClass *class)
{
  G_OBJECT_CLASS (class)->dispose = fcr_service_dispose;
  G_DBUS_INTERFACE_SKELETON_CLASS (class)->get_vtable = fcr_service_get_vtable;
}

static void
fcr_service_init (FcrService *self)
{
  self->manager = g_dbus_object_manager_server_new (FCR_ROOT_PATH);
  self->readonly = fcr_readonly_new ();
}

static void
watch_store (FcrService *self)
{
  const struct
  {
    const gchar *signal;
    GCallback handler;
  } signals[] = {
    { "slot-added", G_CALLBACK (on_slot_added) },
    { "slot-removed", G_CALLBACK (on_slot_removed) },
    { "slot-changed", G_CALLBACK (on_slot_changed) },
    { "consumer-attached", G_CALLBACK (on_consumer_attached) },
    { "consumer-detached", G_CALLBACK (on_consumer_detached) },
    { "lapped", G_CALLBACK (on_lapped) },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (signals); i++)
    g_signal_connect_object (self->store, signals[i].signal, signals[i].handler,
                             self, 0);
}

FcrService *
fcr_service_new (FcrStore *store, GDBusConnection *connection, GError **error)
{
  g_autoptr (FcrService) self = g_object_new (FCR_TYPE_SERVICE, NULL);
  FcrBusRegistry1 *bus = FCR_BUS_REGISTRY1 (self);

  fcr_bus_errors_register ();
  self->store = g_object_ref (store);
  self->callers = fcr_callers_new (connection);
  self->inbox = fcr_inbox_bound (connection);
  watch_store (self);
  fcr_bus_registry1_set_version (bus, fc_version ());
  fcr_bus_registry1_set_budget (bus, fcr_store_budget (store));
  update_totals (self);
  if (!g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (self),
                                         connection, FCR_ROOT_PATH, error))
    return NULL;
  g_dbus_object_manager_server_set_connection (self->manager, connection);
  return g_steal_pointer (&self);
}

/* The bus first: nobody is told that slots went. */
void
fcr_service_stop (FcrService *self)
{
  GDBusConnection *connection = g_dbus_interface_skeleton_get_connection (
      G_DBUS_INTERFACE_SKELETON (self));
  g_autoptr (GPtrArray) slots = fcr_store_list (self->store);

  g_dbus_connection_remove_filter (connection, self->inbox);
  g_dbus_object_manager_server_set_connection (self->manager, NULL);
  g_dbus_interface_skeleton_unexport (G_DBUS_INTERFACE_SKELETON (self));
  g_signal_handlers_disconnect_by_data (self->store, self);
  for (guint i = 0; i < slots->len; i++)
    take_slot_off (self, g_ptr_array_index (slots, i));
  g_clear_pointer (&self->callers, fcr_callers_free);
}
