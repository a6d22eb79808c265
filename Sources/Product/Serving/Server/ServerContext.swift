// SPDX-License-Identifier: Apache-2.0
import Hummingbird
import Synchronization

/// What the handlers of a request share.
struct ServerContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let exchange: Exchange

    init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        exchange = Exchange(channel: source.channel)
    }
}
