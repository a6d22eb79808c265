// SPDX-License-Identifier: Apache-2.0
import Generation
import Pictures
import TrimLLaVA

/// A caption that is being generated or is next.
struct PendingCaption {
    /// The picture's position in the plan.
    let task: Int
    let picture: PictureReference
    let prompt: Int
    let content: LoadedPicture.Content
    /// The encoding that the picture's prompts share, or that was made ahead; nil without either.
    let encoding: SharedEncoding?
}

/// A picture that is encoded once for several prompts.
final class SharedEncoding {
    var picture: EncodedPicture?
    var seconds: Double

    /// An encoding that was made ahead; nil if the picture is yet to be encoded.
    init(_ encoding: LoadedPicture.Encoding?) {
        picture = encoding?.picture
        seconds = encoding?.seconds ?? 0
    }
}
