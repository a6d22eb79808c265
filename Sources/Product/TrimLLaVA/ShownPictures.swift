// SPDX-License-Identifier: Apache-2.0
import Generation
import Imaging
import Pictures
import Weights

/// What a question is about, as an engine takes it: pictures, and a video as one more.
struct ShownPictures {
    /// What is encoded for the question.
    private(set) var inputs: [Engine.Picture] = []
    /// What each becomes, known before its pixels are looked at.
    private(set) var plans: [PicturePlan] = []

    /// Decoded pictures, and the frames of a video after them.
    ///
    /// - Parameters:
    ///   - frames: in their order; none where there is no video.
    ///   - crop: whether a LLaVA-1.5 model sees only the middle square of a picture.
    /// - Throws: `ImagingError`, and `ModelError` for a model that cannot see them.
    init(_ pictures: [Picture], frames: [Picture], crop: Bool, _ llava: LLaVA) throws {
        if !pictures.isEmpty {
            let encoder = try llava.model.pictureEncoder(crop: crop, pictures: pictures.count)
            inputs = try pictures.map { try PictureSource.picture($0).engineInput(encoder) }
            plans = pictures.map { encoder.plan($0.size) }
        }
        if !frames.isEmpty {
            let video = try llava.model.videoTiling
            inputs.append(
                Engine.Picture { () throws(GenerationError) in
                    try pictured { () throws(ImagingError) in try video.tiles(of: frames) }
                })
            plans.append(video.plan(frames: frames.count))
        }
    }

    /// How many pictures a question is about, a video counting as one.
    static func count(_ pictures: [Picture], frames: [Picture]) -> Int {
        pictures.count + (frames.isEmpty ? 0 : 1)
    }
}
