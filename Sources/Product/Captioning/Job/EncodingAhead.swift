// SPDX-License-Identifier: Apache-2.0
import TrimLLaVA

extension AheadQueue<LoadedPicture> {
    /// Starts encoding pictures as they are loaded, on threads of their own.
    ///
    /// A picture whose encoding fails is passed on without one; encoding it again reports the error.
    ///
    /// - Parameter ahead: the most encoded pictures that wait in the queue.
    convenience init(
        encoding loader: AheadQueue<LoadedPicture>, _ llava: LLaVA, _ options: JobOptions,
        ahead: Int, cancellation: Cancellation
    ) {
        let encoder = llava.model.pictureEncoder.onOtherThreads(
            count: options.encodingThreads)
        self.init(ahead: ahead, name: "trimllava.encoding") { put in
            while case .element(var loaded) = loader.next(waiting: true) {
                if case .success(var content) = loaded.result {
                    let start = ContinuousClock.now
                    content.encoding = try? LoadedPicture.Encoding(
                        picture: llava.encode(
                            content.tiles, options: options.generation, by: encoder,
                            cancellation: cancellation),
                        seconds: (ContinuousClock.now - start) / .seconds(1))
                    loaded.result = .success(content)
                }
                guard put(loaded) else { break }
            }
        }
    }
}
