// SPDX-License-Identifier: Apache-2.0
import Tokenization

/// A published pair with a short name.
public struct KnownModel: Sendable, Equatable {
    /// A text model of one quantisation.
    public struct File: Sendable, Equatable {
        /// Such as `Q4_K_M`.
        public let quantisation: String
        /// Its path in the repository.
        public let path: String
        /// Its size in billions of bytes, as the publisher's page rounds it.
        public let gigabytes: Double
    }

    /// What users call it.
    public let name: String
    /// The publisher's repository.
    public let repository: HubRepository
    /// The vision tower's path in the repository.
    public let projector: String
    /// The prompt template that the model was trained with.
    public let template: ChatTemplate
    /// The text models; the first is the default.
    public let files: [File]

    /// The model of a name, in upper or lower case, with `v1.5` or `1.5`.
    static func named(_ name: some StringProtocol) -> KnownModel? {
        let plain = name.lowercased().replacing("-v1.", with: "-1.")
        return all.first { $0.name == plain }
    }

    private init(
        _ name: String, _ repository: String, projector: String, _ template: ChatTemplate,
        _ files: [(String, String, Double)]
    ) {
        guard let repository = HubRepository(repository) else {
            preconditionFailure("the table names repositories that exist")
        }
        (self.name, self.repository, self.projector) = (name, repository, projector)
        self.template = template
        self.files = files.map { File(quantisation: $0.0, path: $0.1, gigabytes: $0.2) }
    }

    /// A pair of ggml-org, whose files have the repository's name.
    ///
    /// - Parameter towers: how the vision tower's numbers are written in its name.
    private static func ofGGML(
        _ name: String, _ model: String, towers: String, _ template: ChatTemplate,
        _ quantisation: String, _ gigabytes: Double
    ) -> KnownModel {
        KnownModel(
            name, "ggml-org/\(model)-GGUF", projector: "mmproj-\(model)-\(towers).gguf", template,
            [(quantisation, "\(model)-\(quantisation).gguf", gigabytes)])
    }

    /// A Qwen3-VL, whose files its maker publishes.
    private static func qwen3VL(_ size: String, _ files: [(String, Double)]) -> KnownModel {
        let model = "Qwen3VL-\(size)-Instruct"
        return KnownModel(
            "qwen3-vl-\(size.lowercased())", "Qwen/Qwen3-VL-\(size)-Instruct-GGUF",
            projector: "mmproj-\(model)-F16.gguf", .chatml,
            files.map { ($0.0, "\(model)-\($0.0).gguf", $0.1) })
    }

    /// All pairs with a short name, by the listings of their repositories on huggingface.co.
    public static let all = [
        KnownModel(
            "llava-1.5-7b", "second-state/Llava-v1.5-7B-GGUF",
            projector: "llava-v1.5-7b-mmproj-model-f16.gguf", .vicuna,
            [
                ("Q4_K_M", "llava-v1.5-7b-Q4_K_M.gguf", 4.08),
                ("Q2_K", "llava-v1.5-7b-Q2_K.gguf", 2.53),
                ("Q3_K_S", "llava-v1.5-7b-Q3_K_S.gguf", 2.95),
                ("Q3_K_M", "llava-v1.5-7b-Q3_K_M.gguf", 3.3),
                ("Q3_K_L", "llava-v1.5-7b-Q3_K_L.gguf", 3.6),
                ("Q4_0", "llava-v1.5-7b-Q4_0.gguf", 3.83),
                ("Q4_K_S", "llava-v1.5-7b-Q4_K_S.gguf", 3.86),
                ("Q5_0", "llava-v1.5-7b-Q5_0.gguf", 4.65),
                ("Q5_K_S", "llava-v1.5-7b-Q5_K_S.gguf", 4.65),
                ("Q5_K_M", "llava-v1.5-7b-Q5_K_M.gguf", 4.78),
                ("Q6_K", "llava-v1.5-7b-Q6_K.gguf", 5.53),
                ("Q8_0", "llava-v1.5-7b-Q8_0.gguf", 7.16),
            ]),
        KnownModel(
            "llava-1.5-13b", "mys/ggml_llava-v1.5-13b", projector: "mmproj-model-f16.gguf", .vicuna,
            [
                ("Q4_K_M", "ggml-model-q4_k.gguf", 7.87),
                ("Q5_K_M", "ggml-model-q5_k.gguf", 9.23),
                ("F16", "ggml-model-f16.gguf", 26),
            ]),
        KnownModel(
            "llava-1.6-mistral-7b", "cjpais/llava-1.6-mistral-7b-gguf",
            projector: "mmproj-model-f16.gguf", .mistral,
            [
                ("Q4_K_M", "llava-v1.6-mistral-7b.Q4_K_M.gguf", 4.37),
                ("Q3_K_M", "llava-v1.6-mistral-7b.Q3_K_M.gguf", 3.52),
                ("Q5_K_S", "llava-v1.6-mistral-7b.Q5_K_S.gguf", 5),
                ("Q5_K_M", "llava-v1.6-mistral-7b.Q5_K_M.gguf", 5.13),
                ("Q6_K", "llava-v1.6-mistral-7b.Q6_K.gguf", 5.94),
                ("Q8_0", "llava-v1.6-mistral-7b.Q8_0.gguf", 7.7),
            ]),
        KnownModel(
            "llava-1.6-vicuna-7b", "cjpais/llava-v1.6-vicuna-7b-gguf",
            projector: "mmproj-model-f16.gguf", .vicuna,
            [
                ("Q4_K_M", "llava-v1.6-vicuna-7b.Q4_K_M.gguf", 4.08),
                ("Q3_K_M", "llava-v1.6-vicuna-7b.Q3_K_M.gguf", 3.3),
                ("Q5_K_S", "llava-v1.6-vicuna-7b.Q5_K_S.gguf", 4.65),
                ("Q5_K_M", "llava-v1.6-vicuna-7b.Q5_K_M.gguf", 4.78),
                ("Q6_K", "llava-v1.6-vicuna-7b.Q6_K.gguf", 5.53),
                ("Q8_0", "llava-v1.6-vicuna-7b.Q8_0.gguf", 7.16),
            ]),
        KnownModel(
            "llava-1.6-vicuna-13b", "cjpais/llava-v1.6-vicuna-13b-gguf",
            projector: "mmproj-model-f16.gguf", .vicuna,
            [
                ("Q4_K_M", "llava-v1.6-vicuna-13b.Q4_K_M.gguf", 7.87),
                ("Q3_K_M", "llava-v1.6-vicuna-13b.Q3_K_M.gguf", 6.34),
                ("Q5_K_S", "llava-v1.6-vicuna-13b.Q5_K_S.gguf", 8.97),
                ("Q5_K_M", "llava-v1.6-vicuna-13b.Q5_K_M.gguf", 9.23),
                ("Q6_K", "llava-v1.6-vicuna-13b.Q6_K.gguf", 10.7),
                ("Q8_0", "llava-v1.6-vicuna-13b.Q8_0.gguf", 13.8),
            ]),
        KnownModel(
            "llava-1.6-34b", "cmp-nct/llava-1.6-gguf",
            projector: "mmproj-llava-34b-f16-q6_k.gguf", .chatml,
            [
                ("Q5_K_M", "ggml-yi-34b-f16-q_5_k.gguf", 24.3),
                ("Q3_K_M", "ggml-yi-34b-f16-q_3_k.gguf", 16.7),
            ]),
        KnownModel(
            "bakllava-1", "abetlen/BakLLaVA-1-GGUF", projector: "mmproj-model-f16.gguf", .vicuna,
            [
                ("Q4_K_M", "bakllava-1.Q4_K.gguf", 4.37),
                ("Q3_K_L", "bakllava-1.Q3_K_L.gguf", 3.82),
                ("Q4_0", "bakllava-1.Q4_0.gguf", 4.11),
                ("Q6_K", "bakllava-1.Q6_K.gguf", 5.94),
                ("Q8_0", "bakllava-1.Q8_0.gguf", 7.7),
                ("F16", "bakllava-1.f16.gguf", 14.5),
            ]),
        KnownModel(
            "llava-llama-3-8b", "xtuner/llava-llama-3-8b-v1_1-gguf",
            projector: "llava-llama-3-8b-v1_1-mmproj-f16.gguf", .llama3,
            [
                ("INT4", "llava-llama-3-8b-v1_1-int4.gguf", 4.92),
                ("F16", "llava-llama-3-8b-v1_1-f16.gguf", 16.1),
            ]),
        KnownModel(
            "llava-phi-3-mini", "xtuner/llava-phi-3-mini-gguf",
            projector: "llava-phi-3-mini-mmproj-f16.gguf", .phi3,
            [
                ("INT4", "llava-phi-3-mini-int4.gguf", 2.32),
                ("F16", "llava-phi-3-mini-f16.gguf", 7.64),
            ]),
        ofGGML("smolvlm-256m", "SmolVLM-256M-Instruct", towers: "Q8_0", .smolVLM, "Q8_0", 0.175),
        ofGGML("smolvlm-500m", "SmolVLM-500M-Instruct", towers: "Q8_0", .smolVLM, "Q8_0", 0.437),
        ofGGML(
            "smolvlm2-256m", "SmolVLM2-256M-Video-Instruct", towers: "Q8_0", .smolVLM, "Q8_0", 0.175
        ),
        ofGGML(
            "smolvlm2-500m", "SmolVLM2-500M-Video-Instruct", towers: "Q8_0", .smolVLM, "Q8_0", 0.437
        ),
        ofGGML(
            "smolvlm2-2.2b", "SmolVLM2-2.2B-Instruct", towers: "Q8_0", .smolVLM, "Q4_K_M", 1.11),
        ofGGML("qwen2-vl-2b", "Qwen2-VL-2B-Instruct", towers: "f16", .chatml, "Q4_K_M", 0.986),
        KnownModel(
            "qwen2-vl-7b", "bartowski/Qwen2-VL-7B-Instruct-GGUF",
            projector: "mmproj-Qwen2-VL-7B-Instruct-f32.gguf", .chatml,
            [
                ("Q4_K_M", "Qwen2-VL-7B-Instruct-Q4_K_M.gguf", 4.68),
                ("Q2_K", "Qwen2-VL-7B-Instruct-Q2_K.gguf", 3.02),
                ("Q3_K_M", "Qwen2-VL-7B-Instruct-Q3_K_M.gguf", 3.81),
                ("Q4_0", "Qwen2-VL-7B-Instruct-Q4_0.gguf", 4.44),
                ("Q5_K_M", "Qwen2-VL-7B-Instruct-Q5_K_M.gguf", 5.44),
                ("Q6_K", "Qwen2-VL-7B-Instruct-Q6_K.gguf", 6.25),
                ("Q8_0", "Qwen2-VL-7B-Instruct-Q8_0.gguf", 8.1),
            ]),
        ofGGML("qwen2.5-vl-3b", "Qwen2.5-VL-3B-Instruct", towers: "f16", .chatml, "Q4_K_M", 1.93),
        ofGGML("qwen2.5-vl-7b", "Qwen2.5-VL-7B-Instruct", towers: "f16", .chatml, "Q4_K_M", 4.68),
        qwen3VL("2B", [("Q4_K_M", 1.11), ("Q8_0", 1.83)]),
        qwen3VL("4B", [("Q4_K_M", 2.5), ("Q8_0", 4.28), ("F16", 8.05)]),
        qwen3VL("8B", [("Q4_K_M", 5.03), ("Q8_0", 8.71), ("F16", 16.4)]),
    ]
}
