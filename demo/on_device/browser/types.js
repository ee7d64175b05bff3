// What passes between the modules, for editors and readers; there is no code here.
/**
 * @typedef {{data: Uint8ClampedArray, width: number, height: number}} Picture RGBA, row by row; alpha is not looked at
 * @typedef {[number, number, number, number]} Box left, top, right, bottom in pixels
 * @typedef {[number, number][]} Points x, y in pixels: image-left eye, image-right eye, nose tip, mouth corners
 * @typedef {{yaw: number, pitch: number, roll: number, yawUncertainty: number, pitchUncertainty: number}} HeadPose degrees
 * @typedef {{box: Box, landmarks: Points, confidence: number, turned: number, head: HeadPose, pose: string}} Face
 *   `turned`: degrees clockwise (0, 90, 180, 270) by which the photo was turned to stand upright
 * @typedef {{run: (feeds: Record<string, any>) => Promise<Record<string, {data: Float32Array, dims: number[]}>>,
 *   inputNames: string[], outputNames: string[], inputMetadata: {type: string, shape: (number|string)[]}[]}} Session of ONNX Runtime
 * @typedef {{propose: Session, refine: Session, output: Session, pose: Session}} Networks that find faces
 * @typedef {{geometry: string, size: number, crop_factor: number, padding: string, mean: number[], scale: number,
 *   channels: string}} Preprocess of a card
 * @typedef {{yaw_degrees: number[], set_on: string, measured_on: string, levels: any[], scores: any}} Surface of a card
 * @typedef {{name: string, title: string, weights_sha256: string, parameters: number|null, licence: string, preprocess: Preprocess,
 *   mirror_sum: boolean, descriptor_mean: number[]|null, pose_direction: number[]|null, architecture: any,
 *   operating_points: Record<string, any[]>, histograms: Record<string, any>, surface: Surface|null}} Card
 * @typedef {{pair: [string, string], scoresOf: string, point: any, uncertainFrom: number, yaws: [number, number]|null,
 *   setWithin: number|null, measuredWithin: number|null, square: import('./neighbourhood.js').Square|null}} Rule
 */
export {};
