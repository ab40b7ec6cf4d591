/* framecache: which slots there are, for GstDeviceMonitor
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
/**
 * SECTION:provider-fcdeviceprovider
 * @title: fcdeviceprovider
 * @see_also: fcsrc
 *
 * Each slot that this user may read is a device, by the name of the slot, of
 * the class Video/Source/Framecache, Audio/Source/Framecache or
 * Source/Framecache by its caps, and makes an fcsrc that reads it.
 *
 * ## Properties of a device
 * `slot`, `directory` and `uri` name it; `state` is live, eos, writer-lost or
 * reserved; `generation`, `ring-depth` (frames), `frame-size` (bytes),
 * `frame-rate` (frames a second, as measured, else as the caps have it),
 * `max-consumers`, `reserved`, `writer-pid` and `writer-uid`. They are those of
 * the moment at which the device was made.
 *
 * A slot whose caps change is removed and added again, so that filters hold.
 * One that gets a new writer, or whose writer ends or dies, is changed.
 *
 * ## Example
 * `gst-device-monitor-1.0 -f Source/Framecache` lists slots and follows what
 * comes and goes.
 */
#include <errno.h>

#include "gstfccommon.h"
#include "gstfcdevice.h"
#include "gstfcdeviceprovider.h"
#include "gstfcslotwatch.h"

GST_DEBUG_CATEGORY_STATIC (gst_fc_device_provider_debug);
#define GST_CAT_DEFAULT gst_fc_device_provider_debug

struct _GstFcDeviceProvider
{
  GstDeviceProvider parent;

  /* start's and stop's, and between them the watch's thread's */
  GstFcSlotWatch *watch;
  GHashTable *devices; /* by slot */
};

G_DEFINE_FINAL_TYPE (GstFcDeviceProvider, gst_fc_device_provider,
                     GST_TYPE_DEVICE_PROVIDER)
GST_DEVICE_PROVIDER_REGISTER_DEFINE (fcdeviceprovider, "fcdeviceprovider",
                                     GST_RANK_PRIMARY,
                                     GST_TYPE_FC_DEVICE_PROVIDER)

static int
list_slot (const fc_slot_stat_t *stat, void *user_data)
{
  GList **devices = user_data;
  GstFcDevice *device = gst_fc_device_new (stat);

  if (device != NULL)
    *devices = g_list_prepend (*devices, device);
  return 0;
}

static GList *
gst_fc_device_provider_probe (GstDeviceProvider *provider)
{
  GList *devices = NULL;

  if (fc_slot_list (NULL, list_slot, &devices) < 0)
    GST_WARNING_OBJECT (provider, "%s", fc_error_detail ());
  return g_list_reverse (devices);
}

/* Following ------------------------------------------------------------ */

static void
remove_device (GstFcDeviceProvider *self, GstFcDevice *device)
{
  g_object_ref (device);
  g_hash_table_remove (self->devices, gst_fc_device_get_slot (device));
  gst_device_provider_device_remove (GST_DEVICE_PROVIDER (self),
                                     GST_DEVICE (device));
  g_object_unref (device);
}

static void
add_device (GstFcDeviceProvider *self, GstFcDevice *device)
{
  g_hash_table_replace (self->devices,
                        (gpointer) gst_fc_device_get_slot (device),
                        g_object_ref (device));
  gst_device_provider_device_add (GST_DEVICE_PROVIDER (self),
                                  GST_DEVICE (device));
}

static void
change_device (GstFcDeviceProvider *self, GstFcDevice *before,
               GstFcDevice *device)
{
  g_object_ref (before);
  g_hash_table_replace (self->devices,
                        (gpointer) gst_fc_device_get_slot (device),
                        g_object_ref (device));
  gst_device_provider_device_changed (GST_DEVICE_PROVIDER (self),
                                      GST_DEVICE (device), GST_DEVICE (before));
  g_object_unref (before);
}

/* DEVICE, floating, is what SLOT is now, or NULL. It is taken. */
static void
update (GstFcDeviceProvider *self, const gchar *slot, GstFcDevice *device)
{
  GstFcDevice *before = g_hash_table_lookup (self->devices, slot);
  GstFcDeviceChange change = GST_FC_DEVICE_ANOTHER;

  if (before != NULL && device != NULL)
    change = gst_fc_device_compare (before, device);
  GST_LOG_OBJECT (self, "slot %s: %s, %s, %d", slot,
                  before != NULL ? "known" : "new",
                  device != NULL ? "there" : "gone", change);
  if (device != NULL)
    g_object_ref_sink (device);
  if (change == GST_FC_DEVICE_CHANGED)
    change_device (self, before, device);
  if (change == GST_FC_DEVICE_ANOTHER && before != NULL)
    remove_device (self, before);
  if (change == GST_FC_DEVICE_ANOTHER && device != NULL)
    add_device (self, device);
  g_clear_object (&device);
}

static void
update_slot (GstFcDeviceProvider *self, const gchar *slot)
{
  fc_slot_stat_t stat = { .struct_size = sizeof (stat) };
  GstFcDevice *device = NULL;

  if (fc_slot_stat (NULL, slot, &stat) == 0)
    device = gst_fc_device_new (&stat);
  else
    GST_DEBUG_OBJECT (self, "%s", fc_error_detail ());
  update (self, slot, device);
}

static void
update_all (GstFcDeviceProvider *self)
{
  GList *devices = gst_fc_device_provider_probe (GST_DEVICE_PROVIDER (self)),
        *gone = g_hash_table_get_values (self->devices), *item;

  for (item = devices; item != NULL; item = item->next)
    {
      const gchar *slot = gst_fc_device_get_slot (item->data);
      gpointer before = g_hash_table_lookup (self->devices, slot);

      gone = g_list_remove (gone, before);
      update (self, slot, item->data);
    }
  for (item = gone; item != NULL; item = item->next)
    remove_device (self, item->data);
  g_list_free (gone);
  g_list_free (devices);
}

static void
slot_event (const gchar *slot, gpointer user_data)
{
  GstFcDeviceProvider *self = user_data;

  if (slot != NULL)
    update_slot (self, slot);
  else
    update_all (self);
}

/* Who starts it finds what there is at once; the watch begins before that, so
 * that nothing falls in between. */
static gboolean
gst_fc_device_provider_start (GstDeviceProvider *provider)
{
  GstFcDeviceProvider *self = GST_FC_DEVICE_PROVIDER (provider);

  self->watch = gst_fc_slot_watch_new ();
  if (self->watch == NULL)
    {
      GST_WARNING_OBJECT (self,
                          "slots can not be followed: %s; raise what"
                          " /proc/sys/fs/inotify limits users to",
                          g_strerror (errno));
      return FALSE;
    }
  update_all (self);
  gst_fc_slot_watch_start (self->watch, slot_event, self);
  return TRUE;
}

static void
gst_fc_device_provider_stop (GstDeviceProvider *provider)
{
  GstFcDeviceProvider *self = GST_FC_DEVICE_PROVIDER (provider);

  g_clear_pointer (&self->watch, gst_fc_slot_watch_free);
  g_hash_table_remove_all (self->devices);
}

static void
gst_fc_device_provider_finalize (GObject *object)
{
  GstFcDeviceProvider *self = GST_FC_DEVICE_PROVIDER (object);

  gst_fc_slot_watch_free (self->watch);
  g_hash_table_unref (self->devices);
  G_OBJECT_CLASS (gst_fc_device_provider_parent_class)->finalize (object);
}

static void
gst_fc_device_provider_class_init (GstFcDeviceProviderClass *klass)
{
  GstDeviceProviderClass *provider_class = GST_DEVICE_PROVIDER_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_fc_device_provider_debug, "fcdeviceprovider", 0,
                           "which slots there are");
  G_OBJECT_CLASS (klass)->finalize = gst_fc_device_provider_finalize;
  provider_class->probe = gst_fc_device_provider_probe;
  provider_class->start = gst_fc_device_provider_start;
  provider_class->stop = gst_fc_device_provider_stop;
  gst_device_provider_class_set_static_metadata (
      provider_class, "Slot device provider", "Video/Audio/Source/Framecache",
      "Lists the slots that fcsrc can read, and follows what comes and goes",
      GST_FC_AUTHOR);
}

static void
gst_fc_device_provider_init (GstFcDeviceProvider *self)
{
  self->devices
      = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_object_unref);
}
