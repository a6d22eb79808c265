// SPDX-License-Identifier: Apache-2.0
import Generation
import TrimLLaVA

/// A caption that is being generated, or comes next.
struct PendingCaption {
    /// The picture's place in the plan.
    let task: Int
    let picture: PictureReference
    let prompt: Int
    let content: LoadedPicture.Content
    /// What the picture's prompts share, or what was encoded ahead; nil for neither.
    let encoding: SharedEncoding?
}

/// A picture that is encoded once for several prompts.
final class SharedEncoding {
    var picture: EncodedPicture?
    var seconds: Double

    /// A picture that is not encoded yet, unless that was done ahead.
    init(_ encoding: LoadedPicture.Encoding?) {
        picture = encoding?.picture
        seconds = encoding?.seconds ?? 0
    }
}
