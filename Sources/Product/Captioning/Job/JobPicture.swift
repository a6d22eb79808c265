// SPDX-License-Identifier: Apache-2.0
import Generation
import Imaging
import Pictures
import Synchronization
import TrimLLaVA

/// A picture whose captions are on their way.
final class JobPicture: Sendable {
    /// The picture's position in the plan.
    let task: Int
    let reference: PictureReference
    /// What the engine knows the picture by while several prompts ask about it; nil with one.
    private let key: PictureKey?
    private let result = Mutex<Result<LoadedPicture, LoadFailure>?>(nil)

    init(task: Int, _ reference: PictureReference, prompts: Int) {
        self.task = task
        self.reference = reference
        key = prompts > 1 ? .unique() : nil
    }

    /// What its file held; nil before it is loaded, and if it cannot be.
    var loaded: LoadedPicture? { try? result.withLock(\.self)?.get() }

    /// Why it cannot be loaded.
    var failure: LoadFailure? {
        if case .failure(let failure)? = result.withLock(\.self) { failure } else { nil }
    }

    /// The picture for an engine, which loads it when its turn comes.
    func input(_ loader: PictureLoader) -> Engine.Picture {
        Engine.Picture(key: key) { [self] () throws(GenerationError) in
            do throws(LoadFailure) {
                if let failure { throw failure }
                let (tiles, loaded) = try loader.load(reference)
                result.withLock { $0 = .success(loaded) }
                return tiles
            } catch {
                result.withLock { $0 = .failure(error) }
                throw .picture(
                    .unreadable(name: reference.path.text, reason: error.reason))
            }
        }
    }
}

/// A caption that is being generated.
struct Caption {
    let picture: JobPicture
    /// The prompt's position.
    let prompt: Int
}
