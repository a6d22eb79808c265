// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import TrimLLaVA

@testable import ModelStore
@testable import Serving

extension FuzzTarget {
    private static let reader = PictureReader(limits: ServingLimits(), mediaFolder: nil)
    /// A tiny model behind the server's requests.
    static let served: ServedModel = {
        let model = "models/llava-1.5-gqa/llava-1.5-gqa"
        var options = ServingOptions()
        options.parallel = 2
        do {
            let llava = try LLaVA(
                text: Fixture.path("\(model)-f32.gguf"),
                projector: Fixture.path("\(model)-mmproj-f32.gguf"),
                options: LoadOptions(threadCount: 1))
            return try ServedModel(llava, options)
        } catch {
            preconditionFailure("\(error)")
        }
    }()

    /// A body of the API that the first byte names, up to the request for the engine: no status is 500 or more.
    static let requestBody = FuzzTarget("request-body") { bytes in
        guard let first = bytes.first else { return }
        do throws(APIError) {
            let fields = try JSONDocument.fields(Data(bytes.dropFirst()))
            switch first % 4 {
            case 0: _ = try ChatCompletionRequest(fields, served, reader)
            case 1: _ = try OllamaRequest(chat: fields, served, reader)
            case 2: _ = try OllamaRequest(generate: fields, served, reader)
            default: _ = try MessagesRequest(fields, served, reader, countsOnly: false)
            }
        } catch {
            precondition(error.status.code < 500, error.message)
            throw error
        }
    }

    /// The address of a picture in a request.
    static let dataURL = FuzzTarget("data-url") { bytes in
        _ = try reader.picture(at: String(decoding: bytes, as: UTF8.self), place: "here")
    }

    private static let manifest = FuzzFile()

    /// A manifest of ollama's store.
    static let ollamaManifest = FuzzTarget("ollama-manifest") { bytes in
        let read = try OllamaManifest(path: manifest.holding(bytes))
        _ = read.layer(OllamaManifest.modelType)
    }

    /// The Hub's list of a repository's files, and the choice among them.
    static let hubAnswer = FuzzTarget("hub-answer") { bytes in
        guard let listing = HubServer.Listing(answer: Data(bytes)),
            case .hub(let model) = try ModelName("hf:owner/name")
        else { return }
        _ = try FileChoice(model, among: listing.files)
    }
}
