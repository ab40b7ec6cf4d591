/* framecache: the registry on a bus
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Translates D-Bus to calls of the store and back. The store's thread.
 */
#ifndef FCR_SERVICE_H
#define FCR_SERVICE_H

#include "fcr-bus.h"
#include "store.h"

G_BEGIN_DECLS

/* org.framecache.Registry1, and the ObjectManager with the slots below it. */
#define FCR_TYPE_SERVICE fcr_service_get_type ()
G_DECLARE_FINAL_TYPE (FcrService, fcr_service, FCR, SERVICE,
                      FcrBusRegistry1Skeleton)

/* Of STORE, which has not been started yet, on CONNECTION. NULL with ERROR
 * where something else is exported there. */
FcrService *fcr_service_new (FcrStore *store, GDBusConnection *connection,
                             GError **error);
/* Off the bus: what is called from now on is not answered. */
void fcr_service_stop (FcrService *service);

G_END_DECLS

#endif /* FCR_SERVICE_H */
